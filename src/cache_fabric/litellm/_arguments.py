"""The arguments of a LiteLLM call that may change its answer.

Left out by name: what LiteLLM keeps of a call for itself (`_BOOKKEEPING`), what its callbacks and
its price list are told, and what `call_form.kept` leaves out (transport, secrets). Everything else
counts, whatever it is. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cache_fabric.call_form import kept, plain
from cache_fabric.errors import NotCacheable

__all__ = ["counting_arguments"]

_READ_APART = frozenset(
    {"custom_llm_provider", "functions", "input", "messages", "model", "prompt", "tools"}
)
_BOOKKEEPING = frozenset(
    {
        *(
            "_context_compaction_state",
            "_router_weights",
            "acompletion",
            "aembedding",
            "aresponses",
        ),
        *("async_call", "atext_completion", "attempted_targets", "base_model", "budget_duration"),
        *("cache_key", "caching", "caching_groups", "completion_call_id"),
        *("configurable_clientside_auth_params", "cooldown_time", "default_api_key_rpm_limit"),
        *("default_api_key_tpm_limit", "enable_tag_filtering", "fallback_depth", "fallbacks"),
        *("context_window_fallback_dict", "force_timeout", "id", "itpm", "keepalive_seconds"),
        *("litellm_call_id", "litellm_disabled_callbacks", "litellm_logging_obj"),
        *("litellm_metadata", "litellm_params", "litellm_parent_otel_span"),
        *("litellm_request_debug", "litellm_session_id", "litellm_trace_id"),
        *("litellm_trusted_callback_vars", "log_client_error_tracebacks", "logger_fn"),
        *("max_budget", "max_fallbacks", "max_parallel_requests", "model_info", "model_list"),
        *("no-log", "num_retries", "order", "otpm", "parent_otel_span", "preset_cache_key"),
        *("proxy_server_request", "retry_policy", "retry_strategy", "routing_strategy", "rpm"),
        *("rust", "secret_fields", "self", "shared_session", "ssl_verify", "stream_chunk_size"),
        *("stream_response", "stream_timeout", "stream_timeout_by_service_tier", "tag_regex"),
        *(
            "text_completion",
            "timeout_by_service_tier",
            "tpm",
            "ttl",
            "turn_off_message_logging",
            "use_client",
        ),
        *("user_api_key_dict", "weight"),
    }
)
_OWN = "_litellm_"  # LiteLLM sends no argument of such a name to a model
_OF_CALLBACKS = (
    *("arize_", "dd_", "gcs_", "humanloop_", "langfuse_", "langsmith_", "newrelic_"),
    *("posthog_", "signoz_", "wandb_", "weave_"),
)
_PRICE = re.compile(r"cost_per_|_cost$|_cost_|^tiered_pricing$|^regional_\w+_multiplier")
_SWITCHES = frozenset(
    {
        *("allow_client_keepalive_override", "drop_params", "enable_json_schema_validation"),
        *("merge_reasoning_content_in_choices", "use_in_pass_through", "use_litellm_proxy"),
        *("use_xai_oauth",),
    }
)
"""Where LiteLLM's router writes ``False`` for absence."""
_NOTHING_WHEN_EMPTY = frozenset({"extra_body", "extra_headers", "extra_query", "headers"})
_RESOLVED_LATER = ("prompt_id",)


def counting_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that count beside the model, the messages and the tools.

    Raises:
        NotCacheable: One holds an object without a stable key, or says that the answer is made up
            or that the messages are not all that the model is told.
    """
    for name in kwargs:
        if name.startswith("mock_") and kwargs[name] is not None:
            raise NotCacheable("a mock response")
        if name in _RESOLVED_LATER and kwargs[name] is not None:
            raise NotCacheable("a prompt that LiteLLM reads from elsewhere")
    return {
        name: plain(value, name)
        for name, value in kept(kwargs).items()
        if value is not None and not _is_passing(name, value)
    }


def _is_passing(name: str, value: Any) -> bool:
    if name in _READ_APART or name in _BOOKKEEPING or name.startswith((*_OF_CALLBACKS, _OWN)):
        return True
    if (value is False and name in _SWITCHES) or (value == {} and name in _NOTHING_WHEN_EMPTY):
        return True
    return _PRICE.search(name) is not None
