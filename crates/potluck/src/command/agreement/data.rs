//! All of it for programs.

use potluck_core::entry::Stance;
use potluck_core::federation::bargain::Bargaining;
use serde_json::{Value, json};

use super::facts::Facts;
use crate::command::chronicle::Place;

/// The version of this file's format.
const VERSION: &str = "potluck-agreement/1";

/// One object: what follows from the ledger, in whole numbers.
pub(super) fn data(facts: &Facts<'_>) -> Value {
    let (told, round, agreement) = (facts.told, facts.round, facts.agreement);
    let stood = told.stood.iter().map(|(at, party, said)| {
        json!({
            "party": party, "stance": said.stance.as_str(), "reason": said.reason,
            "agreement": said.agreement, "is_of_this": said.agreement == agreement.digest(),
            "is_dissent": said.stance == Stance::Dissent, "at": place(*at),
        })
    });
    let withdrawn = told
        .withdrawn
        .iter()
        .map(|(at, party, reason)| json!({"party": party, "reason": reason, "at": place(*at)}));
    let earlier = told.agreements.iter().rev().skip(1).rev();
    let earlier =
        earlier.map(|(at, it)| json!({"at": place(*at), "digest": it.digest(), "agreement": it}));
    let experts = told.experts.iter().map(|(party, expert)| {
        let about = json!({
            "index": expert.index, "manifest": expert.manifest.digest(),
            "files": expert.manifest.files(), "reward_commitment": expert.reward_commitment,
        });
        (party.to_string(), about)
    });
    json!({
        "format": VERSION,
        "federation": {"name": facts.charter().name(), "id": facts.federation.id()},
        "ledger": {
            "entries": facts.size, "root": facts.root, "time": facts.federation.time(),
            "log_key": facts.log_key,
        },
        "charter": {"version": told.version, "text": facts.charter()},
        "round": round.number,
        "opened": place(told.opened),
        "agreement": agreement,
        "agreement_digest": agreement.digest(),
        "reached": told.agreements.last().map(|(at, _)| place(*at)),
        "not_ratified": earlier.collect::<Vec<_>>(),
        "standing": facts.standing().as_str(),
        "stances": stood.collect::<Vec<_>>(),
        "withdrawn": withdrawn.collect::<Vec<_>>(),
        "proposals": round.proposals,
        "bargain": round.bargain.as_ref().map(|it| bargain(facts, it)),
        "base": facts.federation.base().files(),
        "experts": experts.collect::<serde_json::Map<_, _>>(),
        "soup": round.soup,
        "published": told.published.map(place),
    })
}

fn place(place: Place) -> Value {
    json!({"index": place.index, "time": place.time})
}

fn bargain(facts: &Facts<'_>, bargain: &Bargaining) -> Value {
    let best = bargain.heard.iter().filter_map(|party| {
        let (candidate, gain) = facts.best(party)?;
        Some((party.to_string(), json!({"candidate": candidate, "gain_ppm": gain})))
    });
    let fallback = bargain.number(&bargain.entitlement);
    json!({
        "entitlement": bargain.entitlement,
        "entitlement_gains_ppm": fallback.map(|number| bargain.gains(number)),
        "candidates": bargain.candidates,
        "batches": bargain.batches,
        "heard": bargain.heard,
        "best": best.collect::<serde_json::Map<_, _>>(),
    })
}
