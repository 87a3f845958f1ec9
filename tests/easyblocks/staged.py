"""The steps of an installation that grows beside its place, in this process."""

from typing import Any, Callable

from easybuild.easyblocks.generic.stagedeasyblock import StagedEasyBlock
from easybuild.framework.easyblock import EasyBlock


def install(block: StagedEasyBlock, steps: Callable[[], None]) -> None:
    """Do what `eb --rebuild` does, with those steps in the place of EasyBuild's."""

    def run(*_: Any, **__: Any) -> None:
        block.post_init()
        steps()

    whole = EasyBlock.run_all_steps
    EasyBlock.run_all_steps = run
    try:
        block.run_staged_steps()
    finally:
        EasyBlock.run_all_steps = whole
