"""Quality: hits against wrong hits, ours beside the baselines', over labelled streams and pairs.

The protocol is the evaluation data's own: a fixed order, one request at a time, a cold cache; the
system under test gets the text and its scope, on a miss the answer ``"A:" + class``, and nothing
else of the class but whether two answers are equal. The data's own ``score.py`` counts.
"""
