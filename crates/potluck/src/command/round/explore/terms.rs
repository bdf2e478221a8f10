//! A charter with other terms, for the time of a question.

use potluck_core::charter::BargainRule;
use potluck_core::{Charter, PartyId};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Every rule that a charter can have for bargains.
const RULES: [BargainRule; 6] = [
    BargainRule::Nash,
    BargainRule::Leximin,
    BargainRule::Utilitarian,
    BargainRule::AlphaHalf,
    BargainRule::AlphaTwo,
    BargainRule::AlphaSixteen,
];

/// What differs from the round's charter.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::command::round) struct Terms {
    /// Another rule: nash, leximin, utilitarian, alpha_half, alpha_two, alpha_sixteen
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(super) rule: Option<BargainRule>,
    /// Another weight; can be given for several parties
    #[arg(long, value_name = "PARTY=WEIGHT", value_parser = of_party)]
    pub(super) weight: Vec<(PartyId, u32)>,
    /// Another floor, in parts per million
    #[arg(long, value_name = "PARTY=PPM", value_parser = of_party)]
    pub(super) floor: Vec<(PartyId, u32)>,
    /// Another cap, in parts per million
    #[arg(long, value_name = "PARTY=PPM", value_parser = of_party)]
    pub(super) cap: Vec<(PartyId, u32)>,
    /// Each party strikes its worst candidates first
    #[arg(long)]
    pub(super) veto: bool,
    /// As if a party had never been there: its scores are left out, and every mixture with its expert
    #[arg(long, value_name = "PARTY")]
    pub(super) without: Vec<PartyId>,
}

/// A charter that nobody signed.
#[derive(Debug, Clone)]
pub(in crate::command::round) struct Variation {
    /// What differs, in words.
    pub(super) name: String,
    /// Its terms.
    pub(super) charter: Charter,
    /// Who is left out.
    pub(super) without: Vec<PartyId>,
}

impl Terms {
    fn is_empty(&self) -> bool {
        let lists = self.weight.len() + self.floor.len() + self.cap.len() + self.without.len();
        self.rule.is_none() && lists == 0 && !self.veto
    }

    /// What is to be compared: one charter with these terms, or without any, one for each rule.
    pub(super) fn variations(&self, charter: &Charter) -> Result<Vec<Variation>, Failure> {
        if !self.is_empty() {
            return Ok(vec![self.variation(charter)?]);
        }
        let with = |rule| Self { rule: Some(rule), ..Self::default() }.variation(charter);
        RULES.into_iter().map(with).collect()
    }

    fn variation(&self, charter: &Charter) -> Result<Variation, Failure> {
        let mut text = serde_json::to_value(charter).map_err(Failure::system)?;
        let mut words = Vec::new();
        if let Some(rule) = self.rule {
            text["bargain"]["rule"] = json!(rule);
            words.push(rule.as_str().to_owned());
        }
        if self.veto {
            text["bargain"]["veto"] = true.into();
            words.push("veto".to_owned());
        }
        for (key, changes) in
            [("weight", &self.weight), ("floor_ppm", &self.floor), ("cap_ppm", &self.cap)]
        {
            for (party, number) in changes {
                let seat = seat(&mut text, party)?;
                seat[key] = (*number).into();
                words.push(format!("{} {party}={number}", key.trim_end_matches("_ppm")));
            }
        }
        for party in &self.without {
            seat(&mut text, party)?;
            words.push(format!("without {party}"));
        }
        // Read as any charter is, so that no terms are explored that none could have.
        let charter = serde_json::from_value(text)
            .map_err(|error| Failure::input(format!("no charter can have these terms: {error}")))?;
        Ok(Variation { name: words.join(", "), charter, without: self.without.clone() })
    }
}

fn seat<'t>(text: &'t mut Value, party: &PartyId) -> Result<&'t mut Value, Failure> {
    let seat = text["parties"].get_mut(party.as_str());
    seat.ok_or_else(|| Failure::input(format!("the round's charter names no party {party}")))
}

fn rule(text: &str) -> Result<BargainRule, String> {
    let found = RULES.into_iter().find(|it| it.as_str() == text);
    found.ok_or_else(|| {
        let all: Vec<_> = RULES.iter().map(|it| it.as_str()).collect();
        format!("it is none of {}", all.join(", "))
    })
}

fn of_party(text: &str) -> Result<(PartyId, u32), String> {
    let (party, number) = text.split_once('=').ok_or_else(|| "write PARTY=NUMBER".to_owned())?;
    let party = party.trim().parse().map_err(|error| format!("{error}"))?;
    let number = number.trim().replace('_', "");
    number
        .parse()
        .map(|number| (party, number))
        .map_err(|_| "the number is no whole one".to_owned())
}
