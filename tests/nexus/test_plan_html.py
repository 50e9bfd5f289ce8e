"""A plan in a notebook: what it says, and that what it was made of is never markup."""

from __future__ import annotations

from cache_fabric import CacheRequest, Usage, create_cache_fabric
from cache_fabric.nexus import compile_manifest
from cache_fabric.nexus.manifest import Manifest, ManifestContext
from cache_fabric.nexus.plan import Plan, make_plan

PROMPTS = ("kept", "edited", "gone", "added")
EVIL = "<script>alert('$1')</script>"


def manifest(**prompts: str) -> Manifest:
    return Manifest(
        format="test",
        name=EVIL,
        contexts=tuple(
            ManifestContext(key=f"prompt:{key}", value=value, kind="prompt")
            for key, value in prompts.items()
        ),
    )


def shown(plan: Plan) -> str:
    return plan._repr_html_()


async def test_it_says_what_changes_and_what_that_costs() -> None:
    async with create_cache_fabric("memory") as fabric:
        before = manifest(kept="Be kind.", edited="Be brief.", gone="Be quiet.")
        done = await compile_manifest(before, fabric)
        assert "published at revision 1" in done._repr_html_()
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]
        missed = await fabric.lookup(CacheRequest(model="gpt-4o-mini", messages=messages))
        usage = Usage(input_tokens=1_000_000, output_tokens=0)
        await fabric.store(missed.ticket, "Hello.", usage=usage)  # type: ignore[union-attr]

        after = manifest(kept="Be kind.", edited=f"Be briefer. {EVIL}", added=EVIL)
        planned = await compile_manifest(after, fabric, plan=True)

    page = planned._repr_html_()
    rows = page.partition("</table>")[0].split("<tr>")
    told = {key: row for row in rows for key in PROMPTS if f"prompt:{key}<" in row}
    assert "not published" in page
    assert "version 1 to 2, behaviour" in told["edited"]
    assert "1, about $0.1500 to ask again" in told["edited"]
    assert "version 1 as it is" in told["kept"]
    assert "no longer in the manifest; stays" in told["gone"]
    assert "new" in told["added"]
    assert ">+Be briefer." in page
    assert "<script" not in page


def test_without_a_count_it_claims_nothing_of_answers() -> None:
    plan = make_plan(manifest(added="Be kind."), [])
    assert "no longer found" in shown(plan)
    assert "to ask again" not in shown(plan)
