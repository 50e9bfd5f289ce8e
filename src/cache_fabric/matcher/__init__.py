"""The matcher: the probability that a neighbor's answer is right for a question. Pure, no I/O.

`features` turns a question and its neighbors into figures, `logistic` turns figures into a
probability and learns from each label, `weights` holds what it knows before the first one.
"""
