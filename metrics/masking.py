"""People's words with what must not stand on a screen taken out: e-mail addresses, phone numbers, payment cards, keys.

What is found is replaced by a readable mark, as in "write to [e-mail]". The rules look at form only, so that a text
never leaves the machine: a name or a street is not found. Dates, versions, prices and order numbers stay. Every rule
takes time that grows with the length of the text only, whatever the text is: a rule may start anew at a character at
most a bounded number of times, and quantifiers do not give back what they took.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

E_MAIL, PHONE, CARD, IBAN, KEY, IP_ADDRESS = "e-mail", "phone", "card", "IBAN", "key", "IP address"
KINDS = (E_MAIL, PHONE, CARD, IBAN, KEY, IP_ADDRESS)
"""What can be found; `[e-mail]` is the mark of the first."""


@dataclass(frozen=True)
class Masked:
    """A text after masking, and how often each of `KINDS` was found in it (only those that were)."""

    text: str
    found: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rule:
    """A form to look for. `judge` may refuse a match or shorten it: it returns where the match ends, or None.

    The group `kept`, where there is one, is led over as it is: the word `password=` before the password.
    """

    kind: str
    pattern: re.Pattern[str]
    judge: Callable[[re.Match[str]], int | None] = re.Match.end
    sign: re.Pattern[str] | None = None
    """What a text must have at all for the rule to be worth a look."""


def masked(text: str) -> str:
    """The text with a mark in the place of each e-mail address, phone number, card number, IBAN, key and IP address."""
    return mask(text).text


def mask(text: str) -> Masked:
    """The same, with how many of each kind were found."""
    found: dict[str, int] = {}
    for rule in _RULES:
        if rule.sign is None or rule.sign.search(text):
            text, count = _applied(rule, text)
            if count:
                found[rule.kind] = found.get(rule.kind, 0) + count
    return Masked(text, found)


def _applied(rule: _Rule, text: str) -> tuple[str, int]:
    parts: list[str] = []
    copied = place = count = 0
    while match := rule.pattern.search(text, place):
        end = rule.judge(match)
        if end is None:
            # A refused match may hide one that begins inside of it, at its next word.
            inside = _NEXT_WORD.search(text, match.start() + 1)
            place = inside.end() if inside else len(text)
            continue
        start = match.end("kept") if "kept" in rule.pattern.groupindex else match.start()
        parts += [text[copied:start], f"[{rule.kind}]"]
        copied = place = max(end, match.start() + 1)
        count += 1
    return "".join([*parts, text[copied:]]), count


_NEXT_WORD = re.compile(r"\W|_")

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,60}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)")
"""A block that has no end was cut off with its text: all the rest is the key."""

_PREFIXED_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[\w-]{16,}+"  # OpenAI, Anthropic and those who followed them
    r"|(?:sk|rk|pk)_(?:live|test)_\w{10,}+|whsec_\w{16,}+"  # Stripe
    r"|gh[pousr]_\w{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"  # GitHub, GitLab
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"  # AWS
    r"|(?:dapi|dose|dkea)[0-9a-f]{30,}+(?:-\d{1,2})?"  # Databricks
    r"|xox[abeoprs]-[\w-]{10,}+|xapp-[\w-]{10,}+"  # Slack
    r"|AIza[\w-]{30,}+|ya29\.[\w-]{20,}+|GOCSPX-[\w-]{20,}+"  # Google
    r"|hf_[A-Za-z0-9]{30,}+|npm_[A-Za-z0-9]{30,}+|pypi-[\w-]{40,}+|dop_v1_[0-9a-f]{40,}+"
    r"|SG\.[\w-]{16,64}\.[\w-]{16,}+"  # SendGrid
    r"|eyJ[\w-]{17,}+(?:\.[\w-]*+){0,4}"  # a JSON Web Token begins with {" in base64
    r")"
)
_BEARER = re.compile(r"(?i)\b(?P<kept>(?:bearer|basic)[ \t]{1,4})(?=[a-z._~+/=-]{0,40}[0-9A-Z])[\w.~+/=-]{12,}+")
_IN_ADDRESS = re.compile(r"(?P<kept>://)[^\s/?#@:\[\]]{0,128}:[^\s/?#@\[\]]{1,256}(?=@)")
"""The name and the password in `postgres://name:password@host`."""

_LABELLED = re.compile(
    r"(?i)(?P<kept>(?P<label>pass(?:word|phrase|code|wd)?|pwd|passwort|kennwort|secret(?:[_ -]?(?:access[_ -]?)?key)?"
    r"|(?:api|access|account|private|auth|signing|encryption|subscription)[_ -]?key|apikey"
    r"|(?:access|auth|refresh|bearer|session|id)?[_ -]?token|credentials?)"
    r"""[\\"'`*]{0,4}(?P<between>[ \t]{0,3}(?:=>?|:)[ \t]{0,3}|[ \t]{1,3}is[ \t]{1,3})[\\"'`*]{0,4})"""
    r"""(?P<value>(?!\[)[^\s"'`\\,;&<>]{3,256})"""
)
_REST_OF_VALUE = re.compile(r"""[^\s"'`\\,;&<>]*+""")
_PASSWORD_LABEL = re.compile(r"(?i)p(?:ass|wd)|kenn")
_LIKE_A_SECRET = re.compile(r"(?=[\s\S]*[0-9!#$%^*+=@~|])")
_CLOSING = ".,;:!?)]}"

_E_MAIL = re.compile(
    # From the beginning of a run of its characters only: a long run without @ is looked at once.
    r"(?<![\w.+%-])(?<![\w.+%-]')[\w.+%-]++(?:'[\w.+%-]++)*+@"
    r"(?=[\w-]++(?:\.[\w-]++)*?\.(?:xn--[\w-]++|[^\W\d_]{2,}+)(?![\w-]))"
    r"[\w-]++(?:\.[\w-]++)++"
)

_SPACE = r"[ \t\u00a0\u2007\u202f]"
_IBAN = re.compile(rf"(?<![A-Za-z0-9])(?P<country>[A-Z]{{2}})\d{{2}}(?:(?:{_SPACE}|-)?[A-Z0-9]){{11,30}}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE BI",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country. Source: SWIFT, IBAN Registry."""

_CARD_GAP = rf"(?:{_SPACE}|[.\-_]){{1,2}}"
_CARD = re.compile(
    r"(?<![\d.])(?:"
    r"\d{13,19}"
    rf"|\d{{4}}{_CARD_GAP}\d{{4}}{_CARD_GAP}\d{{4}}{_CARD_GAP}(?:\d{{4}}{_CARD_GAP}\d{{3}}|\d{{1,7}})"
    rf"|\d{{4}}{_CARD_GAP}\d{{6}}{_CARD_GAP}\d{{4,5}}"
    r")(?!\d)"
)
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d|60\d\d|81\d\d)\d{12,15}"  # Discover, UnionPay, RuPay
    r"|(?:50|5[6-9]|6\d)\d{11,17}"  # Maestro
)
"""Numbers that a card can have, by who issues it: an order number that happens to pass the check digit stays."""

_GAP = rf"(?:{_SPACE}|[()./\-‐‑–]){{0,3}}"
_PHONE_INTERNATIONAL = re.compile(
    rf"(?<![\w+])(?:\+{_SPACE}?|00{_SPACE}?(?=[1-9]))[1-9]\d{{0,2}}(?:{_GAP}\d){{6,13}}(?!\d)"
)
_PHONE_LOCAL = re.compile(
    r"(?<![\w.,:#/+\-])(?:"
    # North America.
    rf"(?:1[ .\-])?(?:\([2-9]\d\d\){_SPACE}?|[2-9]\d\d(?=([ .\-])\d{{3}}\1)[ .\-])\d{{3}}[ .\-]\d{{4}}"
    # With the leading 0 of most other countries, in groups.
    rf"|\(?0[1-9]\d{{0,4}}\)?(?:{_SPACE}{{0,2}}[./\-–]?{_SPACE}{{0,2}}\d{{2,9}}){{1,5}}"
    r")(?![\w]|-\w)"
)
_MOBILE_UNBROKEN = re.compile(r"01[567]\d{8,9}|07\d{9}|0[67]\d{8}")
_PHONE_CALLED_SO = re.compile(
    r"(?i)\b(?P<kept>(?:phone|tele(?:phone|fon)|tel|mobile?|cell(?:phone)?|handy|fax|whatsapp|call|ring|text|dial)"
    rf"[^\w+(\[]{{1,4}}(?:(?:number|no|nr|is|at|on|me|us|him|her|them)[^\w+(\[]{{1,3}}){{0,3}})[+(]?\d(?:{_GAP}\d){{6,14}}(?!\w)"
)
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{4}(?!\d)")
_THOUSANDS = re.compile(r"\+?\d{1,3}(?:\.\d{3})+")

_IPV4 = re.compile(r"(?<![\w.])(?<!ersion )(?<!elease )\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Each digit as the check digit's rule counts every second one."""


def _whole_value(match: re.Match[str]) -> int | None:
    """Where the secret of `password=…` ends; None for prose, as in "a token: the smallest piece of a text"."""
    value = match["value"]
    said = bool(_LIKE_A_SECRET.match(value.rstrip(_CLOSING)))
    if "is" in match["between"].lower() or not _PASSWORD_LABEL.match(match["label"]):
        tight = match["between"].strip() == match["between"] != ""
        if not said and not (tight and len(value) >= 12) and not (tight and match["between"] == "="):
            return None
    rest = _REST_OF_VALUE.match(match.string, match.end())
    end = rest.end() if rest else match.end()
    while end > match.start("value") + 1 and match.string[end - 1] in ".,;:!?":
        end -= 1
    return end


def _whole_iban(match: re.Match[str]) -> int | None:
    """Where a valid IBAN ends. Source: ISO 13616, the remainder by 97 is 1."""
    length = _IBAN_LENGTHS.get(match["country"], 0)
    taken = [i for i, letter in enumerate(match[0]) if letter.isalnum()][:length]
    if not length or len(taken) < length:
        return None
    end = taken[-1] + 1
    if match.start() + end < len(match.string) and match.string[match.start() + end].isalnum():
        return None
    letters = "".join(match[0][i] for i in taken)
    number = int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4]))
    return match.start() + end if number % 97 == 1 else None


def _valid_card(match: re.Match[str]) -> int | None:
    """The end of a number that an issuer can have given and whose check digit is right. Source: ISO/IEC 7812-1."""
    digits = "".join(str(int(letter)) for letter in match[0] if letter.isdecimal())
    return match.end() if _ISSUERS.fullmatch(digits) and _luhn(digits) else None


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))
    return total % 10 == 0


def _phone_abroad(match: re.Match[str]) -> int | None:
    digits = sum(letter.isdigit() for letter in match[0])
    least, most = (8, 15) if match[0].startswith("+") else (11, 17)
    return match.end() if least <= digits <= most and not _THOUSANDS.fullmatch(match[0]) else None


def _phone_at_home(match: re.Match[str]) -> int | None:
    number = match[0]
    digits = "".join(letter for letter in number if letter.isdigit())
    if not digits.startswith("0"):
        return match.end()
    if digits == number:
        return match.end() if _MOBILE_UNBROKEN.fullmatch(number) else None
    return match.end() if 9 <= len(digits) <= 12 and not _DATE.match(number) else None


def _phone_after_its_name(match: re.Match[str]) -> int | None:
    return None if _DATE.match(match.string, match.end("kept")) else match.end()


def _address_of_a_machine(match: re.Match[str]) -> int | None:
    """Four numbers up to 255; not those of a version (all below 10) and not of every machine itself (127.0.0.1)."""
    numbers = [int(part) for part in match[0].split(".")]
    if max(numbers) > 255 or max(numbers) < 10 or numbers[0] in (0, 127):
        return None
    return match.end()


_DIGITS = re.compile(r"\d\d")
_RULES = (
    _Rule(KEY, _PEM, sign=re.compile("-----BEGIN ")),
    _Rule(KEY, _IN_ADDRESS, sign=re.compile("://")),
    _Rule(KEY, _PREFIXED_KEY),
    _Rule(KEY, _BEARER),
    _Rule(KEY, _LABELLED, _whole_value, sign=re.compile(r"[:=]|(?i:\bis\b)")),
    _Rule(E_MAIL, _E_MAIL, sign=re.compile("@")),
    _Rule(IBAN, _IBAN, _whole_iban, sign=_DIGITS),
    _Rule(CARD, _CARD, _valid_card, sign=_DIGITS),
    _Rule(PHONE, _PHONE_INTERNATIONAL, _phone_abroad, sign=_DIGITS),
    _Rule(PHONE, _PHONE_LOCAL, _phone_at_home, sign=_DIGITS),
    _Rule(PHONE, _PHONE_CALLED_SO, _phone_after_its_name, sign=_DIGITS),
    _Rule(IP_ADDRESS, _IPV4, _address_of_a_machine, sign=_DIGITS),
)
"""In this order: a number is looked at as a card before it can be taken for a phone."""
