//! `potluck token`: what readers over HTTP show in the place of a key; the operator makes and revokes them.
//!
//! They stand in a file of the federation's folder, which the server looks at again when it changes. Only a digest of each is
//! kept, so that whoever copies the file can read nothing with it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use potluck_core::PartyId;
use potluck_wire::token::{FILE, Kept, Scope, Token, TokenFile};
use serde_json::{Value, json};

use super::table::table;
use crate::clock::{now, utc};
use crate::durable::{Readers, write};
use crate::duration::duration;
use crate::failure::Failure;
use crate::folder::random_seed;
use crate::output::Output;

/// Make, list and revoke tokens for readers over HTTP (operator)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token, and show it this once
///
/// Its holder sends it with each request, as `Authorization: Bearer plk_…`, or gives it to tools as `HF_TOKEN`. Where the
/// charter lets only parties read something, a token for it must be a party's: --party.
///
/// Example: potluck token create --dir kitchen --scope soups --party readers --expires 30d
#[derive(Debug, clap::Args)]
struct Create {
    #[command(flatten)]
    place: Place,
    /// What it lets its holder read, where not anybody may: soups, experts, status; can be given more than once
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<Scope>,
    /// The party for which its holder reads
    #[arg(long, value_name = "PARTY", value_parser = party)]
    party: Option<PartyId>,
    /// For how long it is good
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "90d")]
    expires: Duration,
    /// What it is for, in words of your own
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// List the tokens, without their secrets
///
/// Example: potluck token list --dir kitchen
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    place: Place,
}

/// Revoke a token: a running server believes it no more within a second
///
/// Example: potluck token revoke --dir kitchen 3f9a0c12de
#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    place: Place,
    /// The token's id: the ten digits after plk_
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The federation's folder, as `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Does one of them.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.action {
        Action::Create(args) => create(args, output),
        Action::List(args) => list(args, output),
        Action::Revoke(args) => revoke(args, output),
    }
}

fn party(text: &str) -> Result<PartyId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn create(args: &Create, output: &Output) -> Result<(), Failure> {
    if args.note.len() > 200 || args.note.contains(char::is_control) {
        return Err(Failure::input("a note is one line of at most 200 bytes"));
    }
    let _lock = lock(&args.place.dir)?;
    let mut file = read(&args.place.dir)?;
    let (secret, id) = (random_seed()?, random_seed()?);
    let [a, b, c, d, e, ..] = id;
    let token = Token::new([a, b, c, d, e], &secret);
    let created = now()?;
    let kept = Kept {
        id: token.id().to_owned(),
        digest: token.digest(),
        party: args.party.clone(),
        note: args.note.clone(),
        scopes: args.scope.iter().copied().collect::<BTreeSet<_>>(),
        created,
        expires: created.saturating_add(args.expires.as_secs()),
        revoked: None,
    };
    if file.tokens.iter().any(|it| it.id == kept.id) {
        return Err(Failure::system("a token of this id is there already: run the command again"));
    }
    file.tokens.push(kept.clone());
    keep(&args.place.dir, &file)?;
    output.line(token.reveal());
    output.line(format!("It is shown this once, and good until {}.", utc(kept.expires)));
    let mut shown = view(&kept, created);
    shown["token"] = token.reveal().into();
    output.result(&shown);
    Ok(())
}

fn list(args: &List, output: &Output) -> Result<(), Failure> {
    let (file, now) = (read(&args.place.dir)?, now()?);
    let row = |kept: &Kept| {
        let scopes: Vec<_> = kept.scopes.iter().map(|scope| scope.as_str()).collect();
        let party = kept.party.as_ref().map_or("-", PartyId::as_str).to_owned();
        let (id, note) = (kept.id.clone(), kept.note.clone());
        [id, state(kept, now).to_owned(), party, scopes.join(","), utc(kept.expires), note].to_vec()
    };
    match file.tokens.is_empty() {
        true => output.line("No token was made yet."),
        false => table(
            &["id", "state", "party", "scopes", "expires", "note"],
            &file.tokens.iter().map(row).collect::<Vec<_>>(),
        )
        .into_iter()
        .for_each(|line| output.line(line)),
    }
    let tokens: Vec<_> = file.tokens.iter().map(|kept| view(kept, now)).collect();
    output.result(&json!({"tokens": tokens}));
    Ok(())
}

fn revoke(args: &Revoke, output: &Output) -> Result<(), Failure> {
    let _lock = lock(&args.place.dir)?;
    let (mut file, now) = (read(&args.place.dir)?, now()?);
    let kept = file.tokens.iter_mut().find(|kept| kept.id == args.id).ok_or_else(|| {
        Failure::input("no token of this id was made here").hint("`potluck token list` has the ids")
    })?;
    kept.revoked.get_or_insert(now);
    let kept = kept.clone();
    keep(&args.place.dir, &file)?;
    output.line(format!("The token {} is revoked.", kept.id));
    output.result(&view(&kept, now));
    Ok(())
}

fn state(kept: &Kept, now: u64) -> &'static str {
    match kept.revoked {
        Some(_) => "revoked",
        None if now > kept.expires => "expired",
        None => "good",
    }
}

fn view(kept: &Kept, now: u64) -> Value {
    json!({
        "id": kept.id, "state": state(kept, now), "party": kept.party, "scopes": kept.scopes,
        "created": kept.created, "expires": kept.expires, "revoked": kept.revoked, "note": kept.note,
    })
}

/// Held while the file is read, changed and written, or a second command would undo a revocation.
fn lock(dir: &Path) -> Result<File, Failure> {
    let genesis = dir.join("genesis.json");
    let failed = |error: io::Error| {
        Failure::input(format!("{} is no federation's folder: {error}", dir.display()))
            .hint("the operator's folder is the one that `potluck new` made")
    };
    let file = File::open(genesis).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn read(dir: &Path) -> Result<TokenFile, Failure> {
    let path = dir.join(FILE);
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::input(format!("cannot read the tokens {}: {error}", path.display()))
    };
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| wrong(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TokenFile::default()),
        Err(error) => Err(wrong(&error)),
    }
}

fn keep(dir: &Path, file: &TokenFile) -> Result<(), Failure> {
    let path = dir.join(FILE);
    let mut bytes = serde_json::to_vec_pretty(file).map_err(Failure::system)?;
    bytes.push(b'\n');
    let failed = |error| Failure::system(format!("cannot write {}: {error}", path.display()));
    // No secret is in it; the server may be another user.
    write(&path, &bytes, Readers::Anyone).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place { dir: dir.to_owned() }
    }

    fn made(dir: &Path, party: Option<&str>) -> Create {
        Create {
            place: place(dir),
            scope: vec![Scope::Soups],
            party: party.map(|party| party.parse().unwrap()),
            expires: Duration::from_secs(60),
            note: "for the newsroom".to_owned(),
        }
    }

    #[test]
    fn tokens_are_made_kept_as_digests_and_revoked() {
        let home = tempfile::tempdir().unwrap();
        let output = Output::new(true);
        let refused = create(&made(home.path(), None), &output).unwrap_err();
        assert!(refused.message().contains("is no federation's folder"), "{}", refused.message());
        fs::write(home.path().join("genesis.json"), "{}").unwrap();
        create(&made(home.path(), None), &output).unwrap();
        create(&made(home.path(), Some("readers")), &output).unwrap();
        let file = read(home.path()).unwrap();
        let [first, second] = file.tokens.as_slice() else { panic!("{file:?}") };
        assert_eq!(second.party.as_ref().map(PartyId::as_str), Some("readers"));
        assert_eq!(
            (state(first, first.expires), state(first, first.expires + 1)),
            ("good", "expired")
        );
        let args = Revoke { place: place(home.path()), id: first.id.clone() };
        revoke(&args, &output).unwrap();
        revoke(&args, &output).unwrap();
        let file = read(home.path()).unwrap();
        assert_eq!(state(&file.tokens[0], 0), "revoked");
        assert_eq!(state(&file.tokens[1], 0), "good");
        let args = Revoke { place: place(home.path()), id: "0000000000".to_owned() };
        assert!(revoke(&args, &output).is_err());
        list(&List { place: place(home.path()) }, &output).unwrap();
    }
}
