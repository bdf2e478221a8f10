//! `GET /api/v1/federation`: who they are, by which rules, and how the ledger stands.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Seen;
use super::ask::{Asked, Nothing};
use super::charter::Rules;
use super::problem::Common;
use super::shape::{File, Mixture, Place, commit, files, name};

/// A federation as its ledger stands
#[derive(Debug, Serialize, ToSchema)]
struct Federation {
    #[schema(example = "news")]
    name: String,
    /// What every signature in it names, in hexadecimal
    id: String,
    /// When it was founded
    founded: Place,
    /// The charter in force
    charter: Rules,
    /// New charters that are put to the vote
    amendments: Vec<Amendment>,
    /// The line by which an auditor knows the log
    log_key: String,
    /// The checkpoint over the ledger
    checkpoint: Checkpoint,
    /// The latest entry
    latest: Place,
    /// From what every expert was trained
    base: Base,
    /// How many there are
    counts: Counts,
    /// What is served now; nothing where no soup is in force
    in_force: Option<InForce>,
    /// The round that is under way, or was the last
    round: Option<RoundNow>,
}

/// A charter that is put to the vote
#[derive(Debug, Serialize, ToSchema)]
struct Amendment {
    /// By what it is endorsed
    digest: String,
    /// The version that it would be
    version: u64,
    /// Where it was put to the vote
    put: Place,
    by: String,
    endorsed: Vec<String>,
    charter: Rules,
}

/// A signed checkpoint
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checkpoint {
    /// How many entries it covers
    size: u64,
    /// The root of the log's tree, in base64
    root: String,
    /// BLAKE3 of the state that the entries amount to, in hexadecimal
    state: String,
    /// The whole note, as `/checkpoint` serves it but for lines of witnesses
    note: String,
}

impl Checkpoint {
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        let checkpoint = &seen.standing.checkpoint;
        Self {
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
            state: potluck_core::Blake3::from_bytes(checkpoint.state()).to_string(),
            note: checkpoint.to_string(),
        }
    }
}

/// The base
#[derive(Debug, Serialize, ToSchema)]
struct Base {
    /// BLAKE3 of its manifest
    manifest: String,
    files: Vec<File>,
    /// All sizes added up, in bytes
    size: Option<u64>,
}

/// How many there are
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    entries: u64,
    /// Seats of the charter
    seats: usize,
    /// Parties that are in and not suspended
    parties: usize,
    /// Experts in force
    experts: usize,
    rounds: usize,
}

/// The soup in force
#[derive(Debug, Serialize, ToSchema)]
struct InForce {
    round: u64,
    lambda: Mixture,
    /// The soup's id
    commit: String,
    /// Until when, by the log's time; nothing where until there is another
    until: Option<u64>,
}

/// The latest round
#[derive(Debug, Serialize, ToSchema)]
struct RoundNow {
    round: u64,
    /// See the field of the same name of a round
    state: &'static str,
    /// For whom it waits
    missing: Vec<String>,
    /// Until when
    ends: Option<u64>,
}

/// The federation: name, charter, base, and how its ledger stands
#[utoipa::path(get, path = "/api/v1/federation", tag = "federation", operation_id = "federation",
    responses((status = 200, body = Federation), Common))]
pub(super) async fn federation(asked: Asked<Nothing>) -> Response {
    let log_key = asked.shared.aggregator.verifier_key();
    asked.one(|seen| Ok(view(seen, log_key)))
}

fn view(seen: &Seen<'_>, log_key: String) -> Federation {
    let federation = seen.federation();
    let charter = federation.charter();
    let amendments = federation.amendments().iter().map(|(digest, it)| Amendment {
        digest: digest.to_string(),
        version: it.version,
        put: Place::of(seen, it.index),
        by: name(&it.by),
        endorsed: it.endorsed.iter().map(ToString::to_string).collect(),
        charter: Rules::of(&it.charter, it.version),
    });
    let parties = federation.members().iter().skip(1);
    Federation {
        name: charter.name().to_string(),
        id: federation.id().to_string(),
        founded: Place::of(seen, 0),
        charter: Rules::of(charter, federation.charter_version()),
        amendments: amendments.collect(),
        log_key,
        checkpoint: Checkpoint::of(seen),
        latest: Place::of(seen, federation.size().saturating_sub(1)),
        base: Base {
            manifest: federation.base().digest().to_string(),
            files: files(federation.base()),
            size: federation.base().total_size(),
        },
        counts: Counts {
            entries: federation.size(),
            seats: charter.parties().len(),
            parties: parties.filter(|(_, member)| member.suspended.is_none()).count(),
            experts: federation.experts().len(),
            rounds: federation.rounds().len(),
        },
        in_force: in_force(seen),
        round: federation.rounds().last().map(|round| RoundNow {
            round: round.number,
            state: round.state(charter, seen.now),
            missing: round.missing(charter, seen.now).iter().map(ToString::to_string).collect(),
            ends: round.ends(charter),
        }),
    }
}

fn in_force(seen: &Seen<'_>) -> Option<InForce> {
    let round = seen.federation().in_force(seen.now)?;
    let (agreement, soup) = (round.agreement.as_ref()?, round.soup.as_ref()?);
    Some(InForce {
        round: round.number,
        lambda: Mixture::from(&agreement.lambda),
        commit: commit(soup.recipe.digest()),
        until: agreement.expires,
    })
}
