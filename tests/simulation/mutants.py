"""Publishers with one rule broken on purpose. The simulation must find out about each of them."""

from __future__ import annotations

from dataclasses import replace

from agnes.kernel.ports import ANYTHING, OutcomeUnknown, PreconditionFailed
from agnes.state.publish import Publisher
from agnes.state.requests import run_apart, run_together


class FoldsSoon(Publisher):
    """No rule broken: folding every few commits, since a schedule is short."""

    def _is_time_to_fold(self, head, log_bytes):
        return head.log is not None and head.log.commits >= 3


class OfTheReleaseBefore(FoldsSoon):
    """No rule broken: makes heads of form 1, as the release before this one did."""

    def _form(self, head, work):
        return 1


class TrustsAnyNonce(FoldsSoon):
    """Takes whatever follows an unknown outcome for its own generation."""

    def _is_ours(self, made, found):
        return True


class KnowsNoNonce(FoldsSoon):
    """Takes its own generation for somebody else's, and makes the change again."""

    def _is_ours(self, made, found):
        return False


class SwapsBlindly(FoldsSoon):
    """Swaps the head whatever it is by now."""

    def _condition(self, version):
        return ANYTHING


class KeepsItsCopy(FoldsSoon):
    """Goes on with a working copy that holds commits that never happened."""

    def lost(self):
        pass


class TrustsTheLog(FoldsSoon):
    """Ships the log of a change that went past the log."""

    def _must_fold(self, copy):
        return False


class TellsTooSoon(FoldsSoon):
    """Takes an unknown outcome for a success."""

    def _swap(self, made, version):
        try:
            return super()._swap(made, version)
        except Exception:
            return None


class ChecksNoIds(FoldsSoon):
    """Carries out intents that were carried out before."""

    def _settled(self, head):
        return frozenset()


class BelievesItLeads(FoldsSoon):
    """Takes the lead for a lock, and has not even won the swap for it."""

    is_leading = False

    def claim(self, known, lead):
        self.is_leading = lead.seconds > 0
        return replace(known, head=replace(known.head, lead=lead))

    def _condition(self, version):
        return ANYTHING if self.is_leading else super()._condition(version)


class LeavesTheUnsettled(FoldsSoon):
    """Takes an unknown outcome for a lost swap, and leaves the change for others."""

    def _swap(self, made, version):
        try:
            return super()._swap(made, version)
        except OutcomeUnknown as unknown:
            raise PreconditionFailed(unknown.key) from unknown


class ForgetsWhatWentBefore(FoldsSoon):
    """Takes for made what was rolled back with a change that failed after it."""

    def _run_all(self, copy, requests, *, together):
        waiting = list(requests)
        while waiting:
            failed = run_together(copy, waiting, self._book)
            if failed is None:
                return
            for request in waiting[:failed]:
                request.value, request.error = 0, None
            run_apart(copy, waiting[failed : failed + 1], self._book)
            waiting = waiting[failed + 1 :]


MUTANTS = (
    TrustsAnyNonce,
    KnowsNoNonce,
    SwapsBlindly,
    KeepsItsCopy,
    TrustsTheLog,
    TellsTooSoon,
    ChecksNoIds,
    BelievesItLeads,
    LeavesTheUnsettled,
    ForgetsWhatWentBefore,
)
