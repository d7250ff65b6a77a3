"""What every implementation of `StorageDictProtocol` must do, as tests for pytest.

Derive a class whose name begins with ``Test``, and say how one is opened::

    class TestMyDict(StorageDictContract):
        def open(self, name):
            return MyDict(f"/tmp/my-dicts/{name}")

For each test the class is made anew. What was opened under one name is one store, from test to test another one.
"""

from __future__ import annotations

import math

from prometheus_client.mmap_dict import mmap_key

from .dicts import StorageDictProtocol


def key(name: str = "requests", **labels: str) -> str:
    """The key of a sample."""
    return mmap_key(name, f"{name}_total", list(labels), list(labels.values()), "A help text.")


class StorageDictContract:
    """The tests. ``names`` are two different names that `open` understands."""

    names = ("counter", "histogram")

    def open(self, name: str) -> StorageDictProtocol:
        """A new dict on the store ``name``."""
        raise NotImplementedError

    def test_it_has_the_verbs(self) -> None:
        """All four of them."""
        assert isinstance(self.open(self.names[0]), StorageDictProtocol)

    def test_a_new_one_is_empty(self) -> None:
        """It holds nothing until it is asked or told something."""
        assert list(self.open(self.names[0]).read_all_values()) == []

    def test_a_new_key_is_zero(self) -> None:
        """Reading it creates it."""
        storage = self.open(self.names[0])
        assert tuple(storage.read_value(key())) == (0.0, 0.0)
        assert list(storage.read_all_values()) == [(key(), 0.0, 0.0)]

    def test_what_is_written_is_read(self) -> None:
        """Any double, exactly."""
        storage = self.open(self.names[0])
        for value in (1.0, -2.5, 0.1, 2.0**53 + 2.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf):
            storage.write_value(key(), value, 1700000000.25)
            assert tuple(storage.read_value(key())) == (value, 1700000000.25)

    def test_not_a_number(self) -> None:
        """Is a double like another."""
        storage = self.open(self.names[0])
        storage.write_value(key(), math.nan, 0.0)
        assert math.isnan(storage.read_value(key())[0])

    def test_the_last_write_counts(self) -> None:
        """A key has one value, however often it is written."""
        storage = self.open(self.names[0])
        for number in range(5):
            storage.write_value(key(), float(number), float(number))
        assert list(storage.read_all_values()) == [(key(), 4.0, 4.0)]

    def test_keys_stay_in_order(self) -> None:
        """That of their creation, by a read or a write, whatever is written later."""
        storage = self.open(self.names[0])
        keys = [key(path=f"/{number}") for number in (3, 1, 2)]
        storage.write_value(keys[0], 1.0, 0.0)
        storage.read_value(keys[1])
        storage.write_value(keys[2], 3.0, 0.0)
        storage.write_value(keys[0], 4.0, 0.0)
        assert [found for found, _, _ in storage.read_all_values()] == keys

    def test_any_text_in_labels(self) -> None:
        """Also what is no ASCII, has quotes or line breaks, or is long."""
        storage = self.open(self.names[0])
        texts = ["", "\u00e4\u00f6\u00fc \u20ac \U0001f600", 'a "quoted" \\ thing', "two\nlines", "x" * 5000]
        for number, text in enumerate(texts):
            storage.write_value(key(text=text), float(number), 0.0)
        found = {name: value for name, value, _ in storage.read_all_values()}
        assert found == {key(text=text): float(number) for number, text in enumerate(texts)}

    def test_many_keys(self) -> None:
        """As many as a busy server has series."""
        storage = self.open(self.names[0])
        for number in range(3000):
            storage.write_value(key(path=f"/{number}"), float(number), 0.0)
        assert len(list(storage.read_all_values())) == 3000
        assert all(storage.read_value(key(path=f"/{number}"))[0] == number for number in range(0, 3000, 97))

    def test_what_was_closed_is_still_there(self) -> None:
        """For the next one that opens it, which goes on with it."""
        storage = self.open(self.names[0])
        storage.write_value(key(path="/1"), 1.0, 7.0)
        storage.close()
        again = self.open(self.names[0])
        assert tuple(again.read_value(key(path="/1"))) == (1.0, 7.0)
        again.write_value(key(path="/2"), 2.0, 0.0)
        again.close()
        assert list(self.open(self.names[0]).read_all_values()) == [
            (key(path="/1"), 1.0, 7.0),
            (key(path="/2"), 2.0, 0.0),
        ]

    def test_what_was_not_closed_is_there_too(self) -> None:
        """A process that is killed closes nothing."""
        self.open(self.names[0]).write_value(key(), 3.0, 0.0)
        assert list(self.open(self.names[0]).read_all_values()) == [(key(), 3.0, 0.0)]

    def test_names_are_apart(self) -> None:
        """One store knows nothing of the other."""
        one, other = map(self.open, self.names)
        one.write_value(key(), 1.0, 0.0)
        assert list(other.read_all_values()) == []

    def test_closing_twice(self) -> None:
        """Is harmless."""
        storage = self.open(self.names[0])
        storage.close()
        storage.close()
