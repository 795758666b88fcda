"""How models did on days they had not seen, beside the naive guess, in sentences for marketers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.vocabulary import MONEY_SCALE


def judged(baseline: Mapping[str, Any]) -> list[str]:
    """How the model did on days it had not seen, beside the naive guess."""
    if baseline.get("auc"):
        tried = ", ".join(f"{value:.3f} by {days} days" for days, value in baseline["auc"].items())
        return [
            f"who clicks in the next 30 days is ranked rightly in so many pairs of people: {tried};"
            f" {baseline['naive_auc']:.3f} by points that never fade"
        ]
    if "auc_leads" in baseline:
        return [
            f"tried on {baseline['leads']:,} later leads: who converts is ranked rightly in"
            f" {baseline['auc_leads']:.1%} of pairs ({baseline['naive_auc']:.1%} by {baseline['naive']});"
            f" the best band converts {baseline['lift']:.1f} times as often as all",
            *(_band(one) for one in baseline.get("bands", ())),
        ]
    if "send_from" in baseline:
        when, usual = f"{baseline['send_from']} to {baseline['to']}", "the one hour for everybody"
        sides = {"person": "the personal hour", "group": "the hour of the group"}
        return [
            f"tried on {when}: {_pair(baseline[by], what, usual)}"
            for by, what in sides.items()
            if by in baseline
        ]
    if "channel_from" in baseline:
        return [
            f"tried on {baseline['channel_from']} to {baseline['to']}:"
            f" {_pair(baseline, 'the preferred channel', baseline['naive'])}",
            f"  most was sent by {baseline['most_frequent']}; {baseline['best']} is answered most",
        ]
    if "personal" in baseline:
        return [
            f"tried on {baseline['from']} to {baseline['to']}: of {baseline['people']:,} people who bought"
            f" something new, {baseline['personal']:.1%} found it among ten offers ({baseline['popular']:.1%}"
            " among the ten most popular)",
            *_worth(baseline.get("worth")),
            *_bought_again(baseline.get("again")),
        ]
    if "churn_auc" in baseline:
        return [
            f"tried on {baseline['from']} to {baseline['to']}: who does not come back is ranked rightly in"
            f" {baseline['churn_auc']:.1%} of pairs of people ({baseline['naive_auc']:.1%} by"
            f" {baseline['naive']})",
            f"  {baseline['predicted']:.1%} foretold to leave, {baseline['base_rate']:.1%} did; the tenth at"
            f" highest risk left {baseline['lift']:.2f} times as often as all",
            *_both(baseline),
        ]
    if "again_auc" in baseline:
        guess = f"{baseline['naive_auc']:.1%} by {baseline['naive']}"
        return [
            f"tried on {baseline['from']} to {baseline['to']}: who orders again is ranked rightly in"
            f" {baseline['again_auc']:.1%} of pairs of people ({guess})"
        ]
    if "model_top" not in baseline:
        return []
    return [
        f"tried on {baseline['from']} to {baseline['to']}: off by {baseline['model_error']:.3f} orders a"
        f" person ({baseline['naive_error']:.3f} by the same rate as before)",
        f"  its best fifth of people brought {baseline['model_top']:.1%} of the revenue"
        f" ({baseline['naive_top']:.1%} by past spend)",
        f"  {baseline['predicted']:,.0f} orders foretold, {baseline['came']:,.0f} came",
    ]


def _both(baseline: Mapping[str, Any]) -> list[str]:
    """The two models of churn beside each other; a version that was made before there were two has one."""
    if "boosting" not in baseline:
        return []
    told = []
    for name, called in (("logistic", "logistic regression"), ("boosting", "boosted trees")):
        of = baseline[name]
        told.append(
            f"  {called}: {of['auc']:.1%} of pairs, squared error {of['brier']:.4f}, risks off by"
            f" {of['ece']:.1%}, riskiest tenth {of['lift']:.2f} times"
            f"{' (used)' if baseline['used'] == name else ''}"
        )
    return [*told, f"  the same risk for everybody: squared error {baseline['naive_brier']:.4f}"]


def _pair(of: Mapping[str, Any], personal: str, usual: str) -> str:
    """How two choices did, within the same people."""
    if not of["people"]:
        return f"nobody was sent something both at {personal} and another one at {usual}"
    return (
        f"of {of['people']:,} people for whom it differs, {of['personal']:.1%} was answered by {personal}"
        f" ({of['usual']:.1%} by {usual}; difference {of['low']:+.1%} to {of['high']:+.1%})"
    )


def _worth(worth: Mapping[str, Any] | None) -> list[str]:
    if worth is None:
        return []
    single = f"the best single offer, {worth['item']}," if worth["item"] else "no offer at all"
    told = [
        f"  offers by worth would have brought {worth['personal'] / MONEY_SCALE:,.3f} a person of"
        f" {worth['people']:,} ({worth['single'] / MONEY_SCALE:,.3f} by {single} for everybody)"
    ]
    if "capped" in worth:  # not in a version of before
        names = ("low", "high", "capped", "capped_low", "capped_high")
        each = (f"{worth[name] / MONEY_SCALE:+,.3f}" for name in names)
        told.append("  difference {} to {}; with the top 0.5 % capped {} ({} to {})".format(*each))
    return told


def _bought_again(again: Mapping[str, Any] | None) -> list[str]:
    if again is None:
        return []
    used = "what was bought most often" if again["used"] == "often" else "what was bought last"
    return [
        f"  of {again['people']:,} people who had bought something on two days, {again['often']:.1%} bought"
        f" what they had bought most often again, {again['latest']:.1%} what they had bought last:"
        f" buy_again is {used}"
    ]


def _band(of: Mapping[str, Any]) -> str:
    begins = "fewer points" if of["at_least"] is None else f"{of['at_least']:g} points and more"
    return (
        f"  {begins}: {of['converted']:,} of {of['leads']:,} converted, {of['rate']:.1%}"
        f" ({of['low']:.1%} to {of['high']:.1%} with 95 % confidence)"
    )
