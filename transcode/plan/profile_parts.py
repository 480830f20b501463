"""What a profile is made of, and what may be asked for one job instead of in a file."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from ..contract import MarkImage, Position, Value


class Typed(Value):
    """A part of a profile: no field is guessed, no text is read as a number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class ClipProfile(Typed):
    """`[clip]`: a part of the source, in seconds from where it begins."""

    start_seconds: float | None = Field(None, ge=0)
    """None: from the beginning."""
    end_seconds: float | None = Field(None, gt=0)
    """None: to the end."""

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        start, end = self.start_seconds or 0.0, self.end_seconds
        if end is not None and start >= end:
            raise ValueError(
                f"end_seconds: given {end:g}; allowed: more than start_seconds "
                f"({start:g})"
            )
        return self

    def over(self, other: ClipProfile | None) -> ClipProfile:
        """This one, with *other*'s ends where it says nothing. Raises ValueError."""
        if other is None:
            return self
        asked = other.model_dump() | self.model_dump(exclude_none=True)
        return ClipProfile.model_validate(asked)


class WatermarkProfile(Typed):
    """`[watermark]`: an image over every picture, stills included."""

    image: str = Field(min_length=1)
    """PNG, JPEG or WebP; a path, in a profile from the profile's own folder."""
    position: Position = "bottom-right"
    margin: float = Field(0.03, ge=0, lt=0.5)
    """From the edges, as a share of the frame's short side."""
    size: float = Field(0.1, gt=0, le=1)
    """Share of the frame's width and height that it may fill; its shape stays."""
    opacity: float = Field(1.0, gt=0, le=1)

    _found: MarkImage | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size + 2 * self.margin > 1:
            raise ValueError(
                f"size: given {self.size:g}; allowed with margin {self.margin:g}: "
                f"up to {1 - 2 * self.margin:g}"
            )
        return self

    @property
    def found(self) -> MarkImage | None:
        """What the image was found to be; None before somebody looked."""
        return self._found

    def with_image(self, image: MarkImage) -> WatermarkProfile:
        """The same, of an image that was looked at."""
        made = self.model_copy(update={"image": image.path})
        made._found = image  # noqa: SLF001  of the same class
        return made
