//! `GET /api/v1/parties`, `/api/v1/parties/{party}` and `/api/v1/experts`: who is in, by which keys, with what.

use axum::response::Response;
use potluck_core::entry::Role;
use potluck_core::federation::{Expert, Member};
use potluck_core::{Author, PartyId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Seen;
use super::ask::{Asked, Nothing, Page, Piece};
use super::problem::{Common, Named, Problem};
use super::shape::{File, Listed, Place, files};

/// Somebody with a seat, or who had one
#[derive(Debug, Serialize, ToSchema)]
struct Party {
    party: String,
    /// `absent`, `invited`, `active` or `suspended`
    #[schema(example = "active")]
    status: &'static str,
    /// The entry by which it came in
    since: Option<Place>,
    /// Why it is suspended
    suspended: Option<String>,
    /// Whether the charter has a seat for it
    is_seated: bool,
    /// In every decision; 0 without a seat
    weight: u32,
    /// The least share of its expert, in parts per million
    floor_ppm: u32,
    /// The largest share of its expert in a bargained soup, in parts per million
    cap_ppm: u32,
    /// Why it has this weight
    reason: String,
    /// Its keys in force
    keys: Vec<Key>,
    /// Its keys that are no longer
    retired: Vec<RetiredKey>,
    /// Until when its open invitation can be taken up
    invited_until: Option<u64>,
    /// Its expert in force
    expert: Option<ExpertOf>,
    /// How many entries it made
    entries: usize,
    /// Its latest entry
    latest: Option<Place>,
}

/// A key in force
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    /// `sign`, `transport` or `witness`
    role: &'static str,
    /// Its id
    id: String,
    /// The key itself, as entries spell it
    key: String,
}

/// A key that was in force once
#[derive(Debug, Serialize, ToSchema)]
struct RetiredKey {
    /// Its id
    id: String,
    /// Since when nothing that it signs is taken
    since: Place,
    /// Why, where it was revoked; nothing where another took its place
    reason: Option<String>,
}

/// An expert in force
#[derive(Debug, Serialize, ToSchema)]
struct ExpertOf {
    party: String,
    /// Where it was handed in
    submitted: Place,
    /// BLAKE3 of its manifest: the expert's name in rounds and recipes
    manifest: String,
    /// All sizes added up, in bytes
    size: Option<u64>,
    files: Vec<File>,
    /// BLAKE3 over its reward's definition and a nonce
    reward_commitment: Option<String>,
    /// The rounds that took it up
    rounds: Vec<u64>,
}

/// Every party that has a seat or is a member
#[utoipa::path(get, path = "/api/v1/parties", tag = "parties", operation_id = "parties", params(Page),
    responses((status = 200, body = Listed<Party>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn parties(asked: Asked<Page>) -> Response {
    asked.page(|seen| {
        let all = all(seen);
        page(&asked.query, &all, |party| party.as_str(), |party| of(seen, party))
    })
}

/// One party
#[utoipa::path(get, path = "/api/v1/parties/{party}", tag = "parties", operation_id = "party",
    params(("party" = String, Path, description = "Its name")),
    responses((status = 200, body = Party), Common, Named))]
pub(super) async fn party(party: Piece, asked: Asked<Nothing>) -> Response {
    asked.one(|seen| {
        let known = party.0.parse().ok().filter(|party| is_known(seen, party));
        let unknown = || Problem::not_found("neither the charter nor the ledger knows this party");
        known.map(|party| of(seen, &party)).ok_or_else(unknown)
    })
}

/// Every expert in force
#[utoipa::path(get, path = "/api/v1/experts", tag = "parties", operation_id = "experts", params(Page),
    responses((status = 200, body = Listed<ExpertOf>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn experts(asked: Asked<Page>) -> Response {
    asked.page(|seen| {
        let all: Vec<_> = seen.federation().experts().iter().collect();
        let name = |it: &(&PartyId, &Expert)| it.0.as_str().to_owned();
        page(&asked.query, &all, name, |(party, it)| ExpertOf::of(seen, party, it))
    })
}

/// The part of `all`, which ascend by name, that is asked for.
fn page<T, N: AsRef<str>, V>(
    asked: &Page,
    all: &[T],
    name: impl Fn(&T) -> N,
    view: impl Fn(&T) -> V,
) -> Result<(Listed<V>, Option<String>), Problem> {
    let limit = asked.limit()?;
    let from = asked.from.as_deref().unwrap_or_default();
    let rest = &all[all.partition_point(|it| name(it).as_ref() < from)..];
    let next = rest.get(limit).map(|it| name(it).as_ref().to_owned());
    let items = rest.iter().take(limit).map(view).collect();
    let link = next.as_ref().map(|from| format!("from={from}&limit={limit}"));
    Ok((Listed { items, total: Some(all.len() as u64), next }, link))
}

/// Those with a seat and those who are members, in ascending order.
fn all<'a>(seen: &'a Seen<'_>) -> Vec<&'a PartyId> {
    let federation = seen.federation();
    let members = federation.members().iter().filter_map(|(author, _)| match author {
        Author::Party(party) => Some(party),
        Author::Operator => None,
    });
    let all: std::collections::BTreeSet<_> =
        federation.charter().parties().keys().chain(members).collect();
    all.into_iter().collect()
}

fn is_known(seen: &Seen<'_>, party: &PartyId) -> bool {
    let federation = seen.federation();
    federation.charter().parties().contains_key(party)
        || federation.members().get(&Author::Party(party.clone())).is_some()
}

fn of(seen: &Seen<'_>, party: &PartyId) -> Party {
    let federation = seen.federation();
    let (charter, author) = (federation.charter(), Author::Party(party.clone()));
    let member = federation.members().get(&author);
    let open = federation
        .members()
        .invitations()
        .map(|(_, it)| it)
        .filter(|it| it.party == *party && it.taken_by.is_none() && seen.now <= it.expires);
    let invited_until = open.map(|it| it.expires).max();
    let listed = seen.past.listed(None, Some(&author)).unwrap_or_default();
    let listed = &listed[..listed.partition_point(|index| *index < federation.size())];
    let seat = charter.parties().get(party);
    Party {
        party: party.to_string(),
        status: match member {
            Some(Member { suspended: Some(_), .. }) => "suspended",
            Some(_) => "active",
            None if invited_until.is_some() => "invited",
            None => "absent",
        },
        since: member.map(|member| Place::of(seen, member.since)),
        suspended: member.and_then(|member| member.suspended.clone()),
        is_seated: seat.is_some(),
        weight: charter.weight(party),
        floor_ppm: charter.floor(party),
        cap_ppm: charter.cap(party),
        reason: seat.map_or_else(String::new, |seat| seat.reason.clone()),
        keys: member.map(keys).unwrap_or_default(),
        retired: retired(seen, &author),
        invited_until: invited_until.filter(|_| member.is_none()),
        expert: federation.experts().get(party).map(|it| ExpertOf::of(seen, party, it)),
        entries: listed.len(),
        latest: listed.last().map(|index| Place::of(seen, *index)),
    }
}

fn keys(member: &Member) -> Vec<Key> {
    let key = |role: Role| {
        let key = member.key(role)?;
        Some(Key { role: role.as_str(), id: key.id().to_string(), key: key.to_string() })
    };
    [Role::Sign, Role::Transport, Role::Witness].into_iter().filter_map(key).collect()
}

fn retired(seen: &Seen<'_>, author: &Author) -> Vec<RetiredKey> {
    let all = seen.federation().members().all_retired();
    let of = all.filter(|(_, retired)| retired.of == *author);
    let view = |(id, retired): (&potluck_core::KeyId, &potluck_core::federation::Retired)| {
        let since = Place::of(seen, retired.index);
        RetiredKey { id: id.to_string(), since, reason: retired.reason.clone() }
    };
    of.map(view).collect()
}

impl ExpertOf {
    fn of(seen: &Seen<'_>, party: &PartyId, expert: &Expert) -> Self {
        let manifest = expert.manifest.digest();
        let rounds = seen.federation().rounds().iter().rev();
        // It was in no round before it was handed in.
        let rounds = rounds.take_while(|round| {
            seen.past
                .round(round.number)
                .is_none_or(|told| told.entries.last() > Some(&expert.index))
        });
        let mut rounds: Vec<_> = rounds
            .filter(|round| round.experts.get(party) == Some(&manifest))
            .map(|round| round.number)
            .collect();
        rounds.reverse();
        Self {
            party: party.to_string(),
            submitted: Place::of(seen, expert.index),
            manifest: manifest.to_string(),
            size: expert.manifest.total_size(),
            files: files(&expert.manifest),
            reward_commitment: expert.reward_commitment.map(|it| it.to_string()),
            rounds,
        }
    }
}
