"""Numbers of the wire: what is taken, what is refused, how it is spelled."""

from __future__ import annotations

from decimal import Decimal, Inexact, getcontext, localcontext

import hypothesis.strategies as st
import pytest
from hypothesis import given

from booksync.errors import MalformedMessage
from booksync.exact import (
    MAX_EXPONENT,
    MAX_NUMBER_LENGTH,
    canonical,
    divide,
    exactly,
    parse,
    plain,
)

REFUSED = [
    pytest.param("", id="empty"),
    pytest.param(" 1 ", id="spaces"),
    pytest.param("1\n", id="newline"),
    pytest.param("1_000", id="underscore"),
    pytest.param("1,5", id="comma"),
    pytest.param(".", id="point"),
    pytest.param("1.2.3", id="two points"),
    pytest.param("+1", id="plus"),
    pytest.param("--1", id="two signs"),
    pytest.param("-", id="sign"),
    pytest.param("NaN", id="NaN"),
    pytest.param("sNaN", id="sNaN"),
    pytest.param("Infinity", id="Infinity"),
    pytest.param("-inf", id="-inf"),
    pytest.param("0x10", id="hexadecimal"),
    pytest.param("1e", id="no exponent"),
    pytest.param("1E+999999", id="huge exponent"),
    pytest.param("1E+999", id="large exponent"),
    pytest.param("1E-999", id="tiny exponent"),
    pytest.param("1E+41", id="exponent beyond the limit"),
    pytest.param("1E-41", id="exponent below the limit"),
    pytest.param("1" * 10_000, id="10,000 digits"),
    pytest.param("0." + "1" * 10_000, id="10,000 decimals"),
    pytest.param("1." + "1" * 40 + "E-40", id="long without its exponent"),
    pytest.param("\u0661\u0662", id="Arabic digits"),
    pytest.param("\uff11", id="fullwidth digit"),
    pytest.param(Decimal("NaN"), id="Decimal NaN"),
    pytest.param(Decimal("sNaN"), id="Decimal sNaN"),
    pytest.param(Decimal("-Infinity"), id="Decimal infinity"),
    pytest.param(Decimal("1E+999999"), id="Decimal huge"),
    pytest.param(Decimal("0E-999999"), id="Decimal tiny zero"),
    pytest.param(Decimal("0." + "1" * 10_000), id="Decimal 10,000 decimals"),
    pytest.param(10**50, id="large int"),
    pytest.param(10**5000, id="int that cannot be text"),
    pytest.param(1.5, id="float"),
    pytest.param(float("nan"), id="float nan"),
    pytest.param(True, id="bool"),
    pytest.param(None, id="None"),
    pytest.param(b"1", id="bytes"),
    pytest.param(["1"], id="list"),
    pytest.param({"1": "1"}, id="dict"),
]


@pytest.mark.parametrize("function", [parse, plain])
@pytest.mark.parametrize("number", REFUSED)
def test_what_is_no_number_is_refused(function, number):
    with pytest.raises(MalformedMessage) as caught:
        function(number)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("number", "value", "spelled"),
    [
        pytest.param("0.10000000", "0.1", "0.10000000", id="zeros at the end"),
        pytest.param("86700", "86700", "86700", id="whole"),
        pytest.param("0", "0", "0", id="zero"),
        pytest.param(".5", "0.5", ".5", id="no leading digit"),
        pytest.param("-1.50", "-1.5", "-1.50", id="negative"),
        pytest.param("1e-8", "0.00000001", "0.00000001", id="small e"),
        pytest.param("1.50E+3", "1500", "1500", id="exponent"),
        pytest.param("0E-8", "0", "0.00000000", id="zero with exponent"),
        pytest.param("1E+40", "1" + "0" * 40, "1" + "0" * 40, id="largest exponent"),
        pytest.param("9" * 64, "9" * 64, "9" * 64, id="longest"),
        pytest.param("0." + "0" * 61 + "1", "1E-62", "0." + "0" * 61 + "1", id="tiny"),
        pytest.param(7, "7", "7", id="int"),
        pytest.param(Decimal("2.50"), "2.5", "2.50", id="Decimal"),
        pytest.param(Decimal("1E+2"), "100", "100", id="Decimal with exponent"),
    ],
)
def test_number_is_taken_exactly_and_spelled_without_exponent(number, value, spelled):
    assert parse(number) == Decimal(value)
    assert plain(number) == spelled


def test_limits_are_what_they_say():
    assert parse("1" * MAX_NUMBER_LENGTH)
    with pytest.raises(MalformedMessage, match="number too long: '1111"):
        parse("1" * (MAX_NUMBER_LENGTH + 1))
    assert parse(f"1E-{MAX_EXPONENT}")
    with pytest.raises(MalformedMessage, match=r"out of range: 1E-41"):
        parse(f"1E-{MAX_EXPONENT + 1}")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("0.50"), "0.5"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("100.00"), "100"),
        (Decimal(1000), "1000"),
        (Decimal("-0.00"), "0"),
        (Decimal(0), "0"),
        (Decimal("-1.50"), "-1.5"),
        (0.1, "0.1"),
        (1e-8, "0.00000001"),
        (1e22, "1" + "0" * 22),
        (-0.0, "0"),
        (100.0, "100"),
        (7, "7"),
    ],
)
def test_canonical_spelling_has_no_exponent_no_zeros_and_no_negative_zero(number, text):
    assert canonical(number) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8), st.integers(0, 6))
def test_equal_numbers_have_one_canonical_spelling(number, zeros):
    longer = Decimal(f"{number:f}" + "0" * zeros)
    assert canonical(longer) == canonical(number)
    assert Decimal(canonical(number)) == number


def test_quotient_has_34_digits_whatever_the_callers_context():
    with localcontext() as context:
        context.prec = 3
        assert divide(Decimal(2), Decimal(3)) == Decimal("0." + "6" * 33 + "7")
    assert divide(1.0, 4.0) == 0.25


def test_exactly_does_not_round_and_leaves_the_callers_context_alone():
    with localcontext() as context:
        context.prec = 3
        context.traps[Inexact] = True
        with exactly():
            assert Decimal(1) + Decimal("1E-60") > 1
        assert getcontext().prec == 3
