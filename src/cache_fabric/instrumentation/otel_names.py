"""Every name that spans and metrics carry: the GenAI conventions, and ours for what they lack.

The conventions are in development (as of opentelemetry-semantic-conventions 0.66b2): a change of
theirs is a change of this file. There is no older form of ours to opt out of, so
``OTEL_SEMCONV_STABILITY_OPT_IN`` changes nothing.
"""

from __future__ import annotations

__all__ = ["PROVIDERS", "provider_name"]

# Of the conventions.
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
ERROR_TYPE = "error.type"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
INPUT_MESSAGES = "gen_ai.input.messages"
OPERATION = "gen_ai.operation.name"
OUTPUT_MESSAGES = "gen_ai.output.messages"
PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - the name of an attribute
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_NAME = "gen_ai.tool.name"
TOOL_RESULT = "gen_ai.tool.call.result"
USAGE_CACHE_CREATION = "gen_ai.usage.cache_creation.input_tokens"
USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
USAGE_INPUT = "gen_ai.usage.input_tokens"
USAGE_OUTPUT = "gen_ai.usage.output_tokens"
USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens"
WORKFLOW = "gen_ai.workflow.name"

CHAT, COMPLETION = "chat", "text_completion"
EXECUTE_TOOL, INVOKE_AGENT, INVOKE_WORKFLOW = "execute_tool", "invoke_agent", "invoke_workflow"
OTHER_ERROR = "_OTHER"

OPERATION_DURATION = "gen_ai.client.operation.duration"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105
WORKFLOW_DURATION = "gen_ai.workflow.duration"
DURATION_BUCKETS = tuple(0.01 * 2**power for power in range(14))
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))

# Ours: attributes.
AVOIDED_COST = "cachefabric.cost.avoided_usd"
AVOIDED_INPUT = "cachefabric.avoided.input_tokens"
AVOIDED_OUTPUT = "cachefabric.avoided.output_tokens"
CACHE_DEGRADED = "cachefabric.cache.degraded"
CACHE_ENTRY = "cachefabric.cache.entry_id"
CACHE_ENTRY_AGE = "cachefabric.cache.entry_age"
CACHE_REASON = "cachefabric.cache.reason"
CACHE_RESULT = "cachefabric.cache.result"
CACHE_SIMILARITY = "cachefabric.cache.similarity"
CACHE_TIER = "cachefabric.cache.tier"
CONTEXT_BEHAVIOUR = "cachefabric.context.behaviour"
CONTEXT_KEYS = "cachefabric.context.keys"
CONTEXT_REVISION = "cachefabric.context.revision"
ESTIMATED_INPUT = "cachefabric.estimated.input_tokens"
ESTIMATED_OUTPUT = "cachefabric.estimated.output_tokens"
EXECUTION_ID = "cachefabric.execution.id"
EXECUTION_STATUS = "cachefabric.execution.status"
EXPLORED = "cachefabric.cache.explored"
FEEDBACK_ANNOTATOR = "cachefabric.feedback.annotator"
FEEDBACK_COMMENT_LABEL = "cachefabric.feedback.label"
FEEDBACK_CORRECTION = "cachefabric.feedback.correction"
FEEDBACK_TRUSTED = "cachefabric.feedback.trusted"
INPUT = "cachefabric.input"
LOOKUP_ID = "cachefabric.lookup.id"
OUTPUT = "cachefabric.output"
OVERHEAD_REASON = "cachefabric.overhead.reason"
PUBLISH_CHANGE = "cachefabric.publish.change"
PUBLISH_OUTCOME = "cachefabric.publish.outcome"
SPENT_COST = "cachefabric.cost.spent_usd"
STEP_KIND = "cachefabric.step.kind"
STEP_NAME = "cachefabric.step.name"
STORE_OUTCOME = "cachefabric.store.outcome"
TENANT = "cachefabric.tenant"

# Ours: metrics; money in dollars.
ANSWERS = "cachefabric.answers"
AVOIDED_TOKENS = "cachefabric.tokens.avoided"
COST_AVOIDED = "cachefabric.cost.avoided"
COST_OVERHEAD = "cachefabric.cost.overhead"
COST_REVERSED = "cachefabric.cost.reversed"
COST_SPENT = "cachefabric.cost.spent"
CONTEXT_PROPAGATION = "cachefabric.context.propagation"
CONTEXT_RESYNCS = "cachefabric.context.resyncs"
EXECUTIONS = "cachefabric.executions"
FEEDBACK = "cachefabric.feedback"
LOOKUP_DURATION = "cachefabric.lookup.duration"
LOOKUPS = "cachefabric.lookups"
PUBLISHES = "cachefabric.publishes"
LOOKUP_BUCKETS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)

PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
    "openai": "openai",
    "perplexity": "perplexity",
    "text-completion-openai": "openai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""The conventions' name of a provider by LiteLLM's."""


def provider_name(model: str, listed: str | None) -> str | None:
    """Return the conventions' name of who serves a model; ``None`` where nobody knows.

    Args:
        model: As it was asked for; a known provider in front of it is believed.
        listed: LiteLLM's name of who sells it.
    """
    before = model.partition("/")[0] if "/" in model else ""
    of = before if before in PROVIDERS else listed
    if of is not None and of.startswith("vertex_ai"):
        return "gcp.vertex_ai"
    return None if of is None else PROVIDERS.get(of, of)
