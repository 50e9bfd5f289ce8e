"""What the Redis store is made from, and what it says about what it cannot be made from."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis, RedisCluster

from cache_fabric.errors import ConfigurationError
from cache_fabric.stores._redis_keys import Layout
from cache_fabric.stores._redis_links import PATIENT, connect
from cache_fabric.stores._redis_urls import Place
from cache_fabric.stores.redis import RedisStore


def test_a_plain_url_names_host_port_and_database() -> None:
    place = Place.of("redis://example.org:6380/3")
    assert (place.kind, place.hosts, place.db) == ("one", (("example.org", 6380),), 3)
    assert place.tls is None


def test_ports_have_defaults() -> None:
    assert Place.of("redis://a").hosts == (("a", 6379),)
    assert Place.of("redis+cluster://a,b:1").hosts == (("a", 6379), ("b", 1))
    assert Place.of("redis+sentinel://a/s").hosts == (("a", 26379),)


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert Place.of("redis://[::1]:6380").hosts == (("::1", 6380),)


def test_user_and_password_are_unescaped_and_not_shown() -> None:
    place = Place.of("redis://us%40er:p%2Fa%40ss@h")
    assert place.login == {"username": "us@er", "password": "p/a@ss"}
    assert "ss" not in place.address + repr(place)


def test_a_password_needs_no_user() -> None:
    assert Place.of("redis://:secret@h").login == {"password": "secret"}


def test_sentinels_have_a_service_a_database_and_a_login_of_their_own() -> None:
    place = Place.of("redis+sentinel://:p@a:1,b:2/main/4?sentinel_password=q")
    assert (place.kind, place.hosts) == ("sentinel", (("a", 1), ("b", 2)))
    assert (place.service, place.db) == ("main", 4)
    assert (place.login, place.sentinel_login) == ({"password": "p"}, {"password": "q"})


@pytest.mark.parametrize("scheme", ["rediss", "rediss+cluster"])
def test_tls_checks_the_host_unless_told_otherwise(scheme: str) -> None:
    assert Place.of(f"{scheme}://h").tls == {"ssl": True, "ssl_check_hostname": True}
    place = Place.of(f"{scheme}://h?ssl_check_hostname=false&ssl_ca_certs=/ca.pem")
    assert place.tls == {"ssl": True, "ssl_check_hostname": False, "ssl_ca_certs": "/ca.pem"}


@pytest.mark.parametrize("url", ["rediss://h", "rediss+cluster://h", "rediss+sentinel://h/s"])
async def test_every_kind_of_place_has_an_encrypted_client(url: str) -> None:
    client, close = connect(Place.of(f"{url}?ssl_ca_certs=/ca.pem"), PATIENT)
    holder = client if isinstance(client, RedisCluster) else client.connection_pool
    assert holder.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
    await close()


@pytest.mark.parametrize("url", ["redis", "redis://", "redis:///2"])
def test_no_host_is_the_default_and_says_so(url: str) -> None:
    place = Place.of(url)
    assert place.hosts == (("localhost", 6379),)
    assert "localhost:6379 (the default when neither url= nor REDIS_URL" in place.address


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://h", "scheme"),
        ("redis+unknown://h", "scheme"),
        ("redis+://h", "scheme"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:x", "host"),
        ("redis://h1,h2", "host"),
        ("redis+cluster://", "host"),
        ("redis+cluster://a,,b", "host"),
        ("redis+sentinel://h", "service"),
        ("redis+sentinel://h/", "service"),
        ("redis+sentinel:///service", "host"),
        ("redis://h/name", "database"),
        ("redis://h/1/2", "database"),
        ("redis+cluster://h/1", "database"),
        ("redis://h?timeout=1", "timeout"),
        ("redis://h?ssl_ca_certs=/ca", "ssl_ca_certs"),
        ("rediss://h?ssl_check_hostname=maybe", "ssl_check_hostname"),
    ],
)
def test_a_bad_url_is_an_error_that_names_the_part(url: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        RedisStore.from_url(url, "n")


@pytest.mark.parametrize(
    "url", ["redis://:sec/ret@h", "redis://:secret@h@:x", "redis://u:secret,h"]
)
def test_a_bad_url_does_not_show_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        RedisStore.from_url(url, "n")
    assert "sec" not in str(raised.value)


@pytest.mark.parametrize("namespace", ["", "a*", "{a}b", "a:c:", "\ud800", "a\x00"])
def test_a_namespace_is_one_hash_tag_without_wildcards(namespace: str) -> None:
    layout = Layout.of(namespace)
    tag = layout.head[: layout.head.index(b"}") + 1]
    assert tag.startswith(b"{cf:")
    assert all(name.startswith(tag) for name in (layout.records, layout.log, layout.done))
    assert not set(layout.cache) & set(b"*?[]\\{}")
    assert layout.cache.count(b":") == 3


async def test_a_store_needs_a_url_or_a_client_and_not_both() -> None:
    async with Redis() as client:
        for arguments in ({}, {"url": "redis://", "client": client}):
            with pytest.raises(ConfigurationError, match="client"):
                RedisStore(namespace="n", **arguments)  # type: ignore[arg-type]


async def test_a_client_that_decodes_is_refused() -> None:
    async with Redis(decode_responses=True) as client:
        with pytest.raises(ConfigurationError, match="decode_responses"):
            RedisStore(client=client, namespace="n")


def test_a_log_of_no_length_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="log_limit"):
        RedisStore("redis://", "n", log_limit=0)
