"""What a public number is to whoever pays for the call: the class of its longest known prefix.

A company's own prefixes stand beside those that everybody has: ranges of premium rate, networks that belong to no
country, and what shares a country code with another country but not its prices. Where both know a prefix of the same
length, the company's holds.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from orchestrator.model.outside import FOREIGN, NATIONAL, PREMIUM, SATELLITE, CostClass


@frozen
class Costs:
    """One company's prices by prefix. Made by `costs_of`."""

    own: Mapping[str, CostClass]
    longest: int
    """Characters of the longest prefix that anybody knows."""

    def of(self, number: str) -> CostClass:
        """The class of a public number with its plus. Costs a microsecond."""
        own, everywhere = self.own, _EVERYWHERE
        for end in range(min(self.longest, len(number)), 0, -1):
            prefix = number[:end]
            found = own.get(prefix) or everywhere.get(prefix)
            if found is not None:
                return found
        return FOREIGN


def costs_of(prefixes: Mapping[str, CostClass] | None, country_code: str) -> Costs:
    """By a company's own prefixes; None: the numbers of its country are national."""
    own = {f"+{country_code}": NATIONAL} if prefixes is None else dict(prefixes)
    return Costs(own, max((_LONGEST, *map(len, own))))


def _table(cost_class: CostClass, rows: Mapping[str, str]) -> Iterable[tuple[str, CostClass]]:
    for code, beginnings in rows.items():
        yield from ((f"+{code}{beginning}", cost_class) for beginning in beginnings.split())


_PREMIUM: Final = {
    "1": "900",
    "7": "803 809",
    "20": "900",
    "27": "862 863 864 865 866 867 868 90",
    "30": "901 909",
    "31": "900 906 909",
    "32": "90 703 704 706 707",
    "33": "81 82 83 85 86 88 89",
    "34": "803 806 807 905 907",
    "36": "90 91",
    "39": "144 145 166 892 894 895 899 163 164",
    "40": "900 901 903 906",
    "41": "900 901 906",
    "43": "900 901 930 931 939",
    "44": "70 871 872 873 90 91 98",
    "45": "90",
    "46": "900 939 944",
    "47": "820 829",
    "48": "70 300 400",
    "49": "137 180 190 900",
    "52": "900",
    "54": "600 609",
    "55": "500 900",
    "57": "1900 1901 901",
    "58": "900 901",
    "60": "1600",
    "61": "190",
    "62": "809",
    "64": "900",
    "65": "1900",
    "66": "1900",
    "81": "990",
    "82": "60",
    "84": "1900",
    "86": "168",
    "90": "900",
    "91": "186",
    "92": "900",
    "212": "89",
    "216": "88",
    "221": "88",
    "254": "900",
    "255": "90",
    "256": "90",
    "351": "601 607 608 646 648 760",
    "352": "900 901 905",
    "353": "15",
    "354": "90",
    "355": "900",
    "356": "500 501 506 507 509",
    "357": "900 909",
    "358": "600 700",
    "359": "90",
    "370": "900 902 903 909",
    "371": "90",
    "372": "900",
    "373": "900 905 906",
    "374": "900 901 906",
    "375": "90",
    "380": "900",
    "381": "90",
    "382": "94 95",
    "383": "90",
    "385": "60 61 64 65 69",
    "386": "89 90",
    "387": "90",
    "389": "5",
    "420": "90",
    "421": "900 97 98",
    "423": "900 901",
    "852": "900",
    "855": "1900",
    "886": "203",
    "960": "900",
    "961": "90",
    "966": "925",
    "968": "900",
    "971": "900",
    "972": "19",
    "994": "900",
}
"""Country code → beginnings of national numbers that the caller pays extra for."""

_FOREIGN: Final = {
    "1": "242 246 264 268 284 345 441 473 649 658 664 721 758 767 784 809 829 849 868 869 876",
    "7": "6 7 840 940",
}
"""Other countries under a country code that they share: islands under 1, Kazakhstan and Abkhazia under 7."""

_EVERYWHERE: Final[Mapping[str, CostClass]] = {
    **dict(_table(PREMIUM, _PREMIUM)),
    **dict(_table(FOREIGN, _FOREIGN)),
    "+979": PREMIUM,
    "+870": SATELLITE,
    "+881": SATELLITE,
    "+882": SATELLITE,
    "+883": SATELLITE,
}
"""ITU-T E.164 assigns the last five to services, not to countries."""
_LONGEST: Final = max(map(len, _EVERYWHERE))
