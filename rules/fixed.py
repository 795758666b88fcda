"""Classes of a few fixed fields, like `@dataclass(frozen=True, slots=True)`, but quick to make.

A dataclass takes a millisecond when its module is imported: seven pieces of code compiled one by one, and
a second class for the slots. The language has a hundred kinds of nodes, and every check waited for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

F = TypeVar("F", bound="Fixed")


@dataclass_transform(frozen_default=True, eq_default=False)
class FixedType(type):
    """Makes slots of the annotated names, those of the base first, and the methods that go through them."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> FixedType:
        annotations = namespace.get("__annotations__", {})
        own = [each for each, type_ in annotations.items() if not type_.startswith("ClassVar")]
        names: tuple[str, ...] = (*getattr(bases[0] if bases else None, "field_names", ()), *own)
        slots = [*own, *namespace.get("_kept", ())]
        namespace |= {"__slots__": slots, "__match_args__": names, "field_names": names}
        made = super().__new__(cls, name, bases, namespace)
        if own:
            setters = {f"set_{each}": getattr(made, each).__set__ for each in (*names, *made._kept)}
            methods: dict[str, Any] = {}
            exec("".join(each(names) for each in made._methods), setters, methods)  # noqa: S102 - of names alone
            for method in methods.values():
                setattr(made, method.__name__, method)
        return made

    _methods: tuple[Callable[[tuple[str, ...]], str], ...] = ()
    """The code of the methods that each class has of its own, by the names of its fields."""
    _kept: tuple[str, ...] = ()
    """What is found of the fields when it is first asked for, and kept beside them."""


def _init(names: tuple[str, ...]) -> str:
    setting = "; ".join(f"set_{each}(self, {each})" for each in names)
    return f"def __init__(self, {', '.join(names)}): {setting}\n"


def _equal(names: tuple[str, ...]) -> str:
    mine, theirs = ("".join(f"{of}.{each}, " for each in names) for of in ("self", "other"))
    same = f"({mine}) == ({theirs}) if other.__class__ is self.__class__ else NotImplemented"
    return f"""def __eq__(self, other): return {same}
def __hash__(self):
    try:
        return self._hash
    except AttributeError:
        set__hash(self, found := hash(({mine})))
        return found
"""


class Fixed(metaclass=FixedType):
    """Its fields are given once and never change. Two of them are equal only if they are one; see `Equal`."""

    field_names: ClassVar[tuple[str, ...]]
    _methods: ClassVar[tuple[Callable[[tuple[str, ...]], str], ...]] = (_init,)
    _kept: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is fixed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is fixed")

    def __repr__(self) -> str:
        fields = ", ".join(f"{each}={getattr(self, each)!r}" for each in self.field_names)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[type[Fixed], tuple[object, ...]]:
        return type(self), tuple(getattr(self, each) for each in self.field_names)


class Equal(Fixed):
    """Equal to others of the very class with equal fields, and with their hash."""

    _methods = (_init, _equal)
    _kept = ("_hash",)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(())


def changed(one: F, **fields: object) -> F:
    """The same with other values of some fields."""
    kept = {each: getattr(one, each) for each in one.field_names}
    return type(one)(**(kept | fields))
