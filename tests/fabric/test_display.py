"""The fabric itself in a notebook."""

from __future__ import annotations

from cache_fabric import CacheRequest, ExactOnly, FabricConfig, Verified, create_cache_fabric


def test_it_says_what_it_did_and_what_it_is_made_of() -> None:
    with create_cache_fabric("memory", policy=Verified(max_error=0.02)).sync as fabric:
        request = CacheRequest(model="m", messages=[{"role": "user", "content": "Hi?"}])
        for _ in range(2):
            fabric.get_or_call(request, lambda: "Hello.")
        shown = fabric._repr_html_()
    assert "50.0 %" in shown
    assert "at most 2.00% of all requests" in shown
    assert "MemoryStore" in shown


def test_it_is_shown_before_its_first_use_and_after_its_end() -> None:
    fabric = create_cache_fabric(
        "memory", policy=ExactOnly(), config=FabricConfig(namespace="<b>bold</b>")
    )
    before = fabric._repr_html_()
    fabric.sync.close()
    assert before == fabric._repr_html_() == fabric.sync._repr_html_()
    assert "ExactOnly" in before
    assert "&lt;b&gt;bold" in before
    assert "<b>" not in before
