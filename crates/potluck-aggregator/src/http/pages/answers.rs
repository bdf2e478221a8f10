//! What the pages read of the API's answers: the fields that they show, and no others.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) time: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Mixture {
    pub(super) text: String,
    pub(super) ppm: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) blake3: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Federation {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) founded: Place,
    pub(super) charter: Rules,
    pub(super) log_key: String,
    pub(super) checkpoint: Checkpoint,
    pub(super) latest: Place,
    pub(super) base: Base,
    pub(super) counts: Counts,
    pub(super) in_force: Option<InForce>,
    pub(super) round: Option<RoundNow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rules {
    pub(super) access: Access,
}

#[derive(Debug, Deserialize)]
pub(super) struct Access {
    pub(super) experts: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) size: u64,
    pub(super) root: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Base {
    pub(super) files: Vec<File>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub(super) parties: usize,
    pub(super) experts: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct InForce {
    pub(super) round: u64,
    pub(super) lambda: Mixture,
    pub(super) commit: String,
    pub(super) until: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoundNow {
    pub(super) round: u64,
    pub(super) state: String,
    pub(super) missing: Vec<String>,
    pub(super) ends: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Party {
    pub(super) party: String,
    pub(super) status: String,
    pub(super) since: Option<Place>,
    pub(super) weight: u32,
    pub(super) reason: String,
    pub(super) expert: Option<Expert>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Expert {
    pub(super) party: String,
    pub(super) submitted: Place,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Agreement {
    pub(super) round: u64,
    pub(super) reached: Place,
    pub(super) lambda: Mixture,
    pub(super) rule: String,
    pub(super) deal: Option<Deal>,
    pub(super) expires: Option<u64>,
    pub(super) standing: String,
    pub(super) parties: Vec<Signatory>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Deal {
    pub(super) rule: String,
    pub(super) candidate: Option<usize>,
    pub(super) no_deal_words: Option<String>,
    pub(super) gains_ppm: BTreeMap<String, i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signatory {
    pub(super) party: String,
    pub(super) weight: u32,
    pub(super) stance: Option<String>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Soup {
    pub(super) commit: String,
    pub(super) recipe_digest: String,
    pub(super) round: u64,
    pub(super) published: Place,
    pub(super) file: File,
    pub(super) lambda: Mixture,
    pub(super) is_in_force: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Brief {
    pub(super) round: u64,
    pub(super) state: String,
    pub(super) opened: Place,
    pub(super) parties: Vec<String>,
    pub(super) candidates: usize,
    pub(super) lambda: Option<Mixture>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Round {
    pub(super) round: u64,
    pub(super) state: String,
    pub(super) missing: Vec<String>,
    pub(super) ends: Option<u64>,
    pub(super) opened: Place,
    pub(super) parties: Vec<Seat>,
    pub(super) commitments: Vec<Commitment>,
    pub(super) proposals: Vec<Proposal>,
    pub(super) bargain: Option<Bargain>,
    pub(super) agreement: Option<Agreement>,
    pub(super) soup: Option<Soup>,
    pub(super) timeline: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Seat {
    pub(super) party: String,
    pub(super) weight: u32,
    pub(super) floor_ppm: u32,
    pub(super) cap_ppm: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Commitment {
    pub(super) party: String,
    pub(super) commitment: String,
    pub(super) is_shown: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Proposal {
    pub(super) party: String,
    pub(super) lambda: Mixture,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bargain {
    pub(super) heard: Vec<String>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) batches: Vec<Batch>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Candidate {
    pub(super) number: usize,
    pub(super) lambda: Mixture,
    pub(super) is_entitlement: bool,
    pub(super) is_chosen: bool,
    pub(super) excluded: Option<Excluded>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Excluded {
    pub(super) words: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) batch: usize,
    pub(super) purpose: String,
    pub(super) candidates: Vec<usize>,
    pub(super) commitments: Vec<Commitment>,
    pub(super) ballots: Vec<Ballot>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ballot {
    pub(super) party: String,
    pub(super) prompts: u32,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) candidate: usize,
    pub(super) score: i64,
    pub(super) error: u32,
    pub(super) accept: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) index: u64,
    pub(super) kind: String,
    pub(super) author: String,
    pub(super) time: u64,
    pub(super) sentence: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) line: Line,
    pub(super) digest: String,
    pub(super) statement: Value,
    pub(super) envelope_path: String,
    pub(super) record: String,
    pub(super) key: SignedBy,
    pub(super) proof: Proof,
}

#[derive(Debug, Deserialize)]
pub(super) struct SignedBy {
    pub(super) id: String,
    pub(super) key: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Proof {
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Front {
    pub(super) round: Option<u64>,
    pub(super) parties: Vec<String>,
    pub(super) points: Vec<Point>,
    pub(super) morl: Option<Morl>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Morl {
    pub(super) source: String,
    pub(super) runs: Vec<MorlRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MorlRun {
    pub(super) label: String,
    pub(super) gains: Vec<Gain>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Point {
    pub(super) candidate: Option<usize>,
    pub(super) what: String,
    pub(super) party: Option<String>,
    pub(super) lambda: Mixture,
    pub(super) is_evaluated: bool,
    pub(super) gains: Vec<Gain>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Gain {
    pub(super) party: String,
    pub(super) mean: i64,
    pub(super) error: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LambdaOf {
    pub(super) load: Load,
}

#[derive(Debug, Deserialize)]
pub(super) struct Load {
    pub(super) model: String,
    pub(super) python: String,
    pub(super) shell: String,
}
