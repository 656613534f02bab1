"""Statistical power: the number of problems needed to detect a drop of a given size.

The test is McNemar's, exact, on the pairs (control, constraint) of the problems that base solved. Its power depends on
how many pairs disagree at all, psi, and by how much more often control is the one that is right, delta:

    disagreeing pairs     d ~ Binomial(n, psi)
    of them for control   x ~ Binomial(d, (1 + delta / psi) / 2)
    power(n)              P(the exact test of x against d - x gives p < alpha)

summed over d without approximation (scipy's binomials). psi is delta plus the chance that two answers to the same
question disagree. That chance is known from above only: it is at most the disagreement of control with any other arm
(which holds an effect besides), and at most twice the share that control loses, since 2 p (1 - p) <= 2 (1 - p). The
least of these is taken, so that `needed` errs upwards.

Power rises in n with small teeth, since the test is discrete: `needed` is right within a tooth.
"""

from __future__ import annotations

from dataclasses import dataclass

DROP = 0.05
"""The drop that the power statement asks about."""
ALPHA = 0.05
WANTED = 0.8
LARGEST = 1_000_000
"""More problems than any run will ask."""


@dataclass(frozen=True, slots=True)
class Power:
    """What it takes to see `drop`.

    Attributes:
        drop: of the share correct, control less constraint.
        discordance: psi, the share of pairs that disagree.
        solved: problems solved at base that are needed; None where more than `LARGEST`.
        asked: problems to be asked so that so many are solved.
        here: the power that this run had for that drop.
        n: pairs that this run had.
    """

    drop: float
    discordance: float
    solved: int | None
    asked: int | None
    here: float
    n: int

    def __str__(self) -> str:
        if self.solved is None or self.asked is None:
            return f"A drop of {self.drop:g} could not be seen with {LARGEST:,} problems."
        return (
            f"To see a drop of {self.drop:g} four times out of five (McNemar's exact test, 5 %), {self.solved:,} "
            f"problems solved at base are needed, so some {self.asked:,} asked; this run had {self.n:,}, with which "
            f"such a drop is seen with probability {self.here:.2f}."
        )


def power(n: int, drop: float, discordance: float, alpha: float = ALPHA) -> float:
    """Probability that McNemar's exact test on `n` pairs gives p < `alpha`, control being right more often by `drop`.

    Raises:
        ValueError: fewer pairs disagree than the drop alone makes disagree.
    """
    import numpy as np
    from scipy.stats import binom

    if not 0 < drop <= discordance <= 1:
        raise ValueError(f"a drop of {drop} with {discordance} of the pairs disagreeing is impossible")
    if n <= 0:
        return 0.0
    low, high = binom.ppf((1e-12, 1 - 1e-12), n, discordance)
    d = np.arange(int(low), int(high) + 1)
    worst = binom.ppf(alpha / 2, d, 0.5)
    worst = np.where(2 * binom.cdf(worst, d, 0.5) < alpha, worst, worst - 1)  # the largest count that is significant
    share = 0.5 * (1 + drop / discordance)
    rejected = binom.sf(d - worst - 1, d, share) + binom.cdf(worst, d, share)
    return float(np.sum(binom.pmf(d, n, discordance) * np.where(worst >= 0, rejected, 0.0)))


def needed(drop: float, discordance: float, *, wanted: float = WANTED, alpha: float = ALPHA) -> int | None:
    """The fewest pairs that give the wanted power, None where more than `LARGEST`."""
    high = 8
    while power(high, drop, discordance, alpha) < wanted:
        high *= 2
        if high > LARGEST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, drop, discordance, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


def statement(n: int, discordance: float, solved_share: float, drop: float = DROP) -> Power:
    """What a run with `n` pairs and that discordance says about `drop`; `solved_share` of the problems were solved."""
    psi = min(1.0, max(discordance, drop))
    problems_needed = needed(drop, psi)
    asked = None if problems_needed is None or solved_share <= 0 else -int(-problems_needed // solved_share)
    return Power(drop, psi, problems_needed, asked, power(n, drop, psi), n)
