"""What a lock would bring, told before anything is fetched."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Summary:
    """What is asked for, and what comes of it.

    Parameters
    ----------
    asked
        What is asked for, as written.
    from_base
        Version of each package that is asked for or depended on, and that the base has.
    layer
        Version of each package that the layer has.
    replaced
        Versions in the base and in the layer of each package of the base that the layer replaces.
    ignored
        What was named and is not taken, and why.
    """

    asked: tuple[str, ...] = ()
    from_base: Mapping[str, str] = field(default_factory=dict)
    layer: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: "Summary") -> "Summary":
        """Return both as one."""
        return Summary(
            self.asked + other.asked,
            {**self.from_base, **other.from_base},
            {**self.layer, **other.layer},
            {**self.replaced, **other.replaced},
            {**self.ignored, **other.ignored},
        )

    def lines(self, by: str = "") -> list[str]:
        """Return a line for each part that there is something to say of.

        Parameters
        ----------
        by
            Who brings it, where another one brings the rest.
        """
        asked, layer = (f"asked of {by}", f"in the layer, by {by}") if by else ("asked for", "in the layer")
        parts = {
            asked: list(self.asked),
            "from the base": [f"{name} {version}" for name, version in self.from_base.items()],
            f"{layer} ({len(self.layer)})": [f"{name} {version}" for name, version in self.layer.items()],
            "replaced": [f"{name} {base} of the base by {layer}" for name, (base, layer) in self.replaced.items()],
            "ignored": [f"{what}: {why}" for what, why in self.ignored.items()],
        }
        return [f"{part}: {('; ' if part == 'ignored' else ', ').join(said)}" for part, said in parts.items() if said]
