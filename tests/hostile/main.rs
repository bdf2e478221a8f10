//! A client that breaks the rules, for the stories and the demo: an aggregator must hold out against it.
//!
//! It speaks the protocol through `potluck-net` and lies where an honest client cannot. Like the product, it
//! prints the refusal that it gets as `{"error":{"code","message"}}`, and exits with 4.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use potluck_core::entry::Submission;
use potluck_core::{
    Author, Blake3, Body, Code, Envelope, Federation, FileEntry, Manifest, PartyId, PrivateKey,
    PublicKey, Refusal, Sha256, Statement,
};
use potluck_log::VerifierKey;
use potluck_net::{CallError, Client, blob, connect};

/// Breaks the rules of a federation.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    attack: Attack,
}

#[derive(Subcommand)]
enum Attack {
    /// Sign an expert, and send it with one byte flipped on the way
    FlippedUpload(Upload),
    /// Knock as a client of a version that is not there yet, and print what one is told
    OtherVersion(Upload),
}

#[derive(clap::Args)]
struct Upload {
    /// Where the aggregator listens
    #[arg(long)]
    address: String,
    /// The log's key
    #[arg(long)]
    log_key: VerifierKey,
    /// The party's private key
    #[arg(long)]
    key: PathBuf,
    /// The party
    #[arg(long)]
    party: PartyId,
    /// The weights to sign
    #[arg(long)]
    expert: PathBuf,
}

fn main() -> ExitCode {
    let attack = Args::parse().attack;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.context("no runtime").and_then(|runtime| {
        runtime.block_on(async {
            match attack {
                Attack::FlippedUpload(upload) => flipped_upload(upload).await,
                Attack::OtherVersion(upload) => other_version(upload).await.map(Some),
            }
        })
    });
    match outcome {
        Ok(None) => {
            println!("{{\"let_through\":true}}");
            ExitCode::SUCCESS
        }
        Ok(Some(Refusal { code, sentence, .. })) => {
            println!("{}", serde_json::json!({"error": {"code": code, "message": sentence}}));
            ExitCode::from(4)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a client of version 2 is told, which knows the name that all versions share.
async fn other_version(upload: Upload) -> Result<Refusal> {
    let key = PrivateKey::from_pem(&std::fs::read_to_string(&upload.key)?)?;
    let server = PublicKey::from_bytes(upload.log_key.public_key().as_bytes())?;
    let names = [&b"potluck/2"[..], b"potluck"];
    let told = potluck_net::bare::told(upload.address.parse()?, server, &key, &names).await?;
    Ok(Refusal::new(Code::ProtocolError, told))
}

/// Signs the true digest and sends other bytes; returns the refusal.
async fn flipped_upload(upload: Upload) -> Result<Option<Refusal>> {
    let key = PrivateKey::from_pem(&std::fs::read_to_string(&upload.key)?)?;
    let server = PublicKey::from_bytes(upload.log_key.public_key().as_bytes())?;
    let client = connect(&upload.address, &server, &key).await?;
    let federation = replay(&client).await?;

    let expert = fresh_copy(&upload.expert)?;
    let bytes = std::fs::read(expert.path())?;
    let file = FileEntry {
        path: potluck_core::manifest::WEIGHTS.to_owned(),
        size: bytes.len() as u64,
        blake3: Blake3::of(&bytes),
        sha256: Sha256::of(&bytes),
    };
    let envelope = sign(&federation, &upload.party, &key, file.clone())?;
    let sent = client.submit_encoded(&envelope, vec![file], move |wanted, to| {
        for wanted in wanted {
            let mut stream = Vec::new();
            blob::send(expert.path(), None, &wanted.blake3, &wanted.ranges, &mut stream)
                .map_err(std::io::Error::other)?;
            let middle = stream.len() / 2;
            if let Some(byte) = stream.get_mut(middle) {
                *byte ^= 1;
            }
            to.write_all(&stream)?;
        }
        Ok(())
    });
    match sent.await {
        Ok(_) => Ok(None),
        Err(CallError::Refused(refusal)) => Ok(Some(refusal)),
        Err(error) => Err(error.into()),
    }
}

/// The expert with its last weight moved by the least there is: content that the store cannot have already.
fn fresh_copy(expert: &Path) -> Result<tempfile::NamedTempFile> {
    let mut bytes = std::fs::read(expert)?;
    let last = bytes.len().checked_sub(4).context("no weights")?;
    bytes[last] ^= 1;
    let copy = tempfile::NamedTempFile::new()?;
    std::fs::write(copy.path(), bytes)?;
    Ok(copy)
}

/// The federation as the server tells it: whoever attacks need not verify.
async fn replay(client: &Client) -> Result<Federation> {
    let mut entries = Vec::new();
    loop {
        let page = client.ledger(entries.len() as u64).await?;
        if page.entries.is_empty() {
            break;
        }
        entries.extend(page.entries);
    }
    let mut federation = Federation::found(entries.first().context("an empty ledger")?)?;
    for (index, entry) in entries.iter().enumerate().skip(1) {
        federation.apply(index as u64, entry)?;
    }
    Ok(federation)
}

fn sign(
    federation: &Federation,
    party: &PartyId,
    key: &PrivateKey,
    file: FileEntry,
) -> Result<Envelope> {
    let author = Author::Party(party.clone());
    let member = federation.members().get(&author).context("the party is not admitted")?;
    let submission = Submission {
        base: federation.base_weights().blake3,
        manifest: Manifest::new(vec![file])?,
        reward_commitment: None,
    };
    let statement = Statement {
        author,
        sequence: member.next,
        previous: member.previous,
        body: Body::Submit(submission),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(potluck_interchange::seal(federation, &statement, key, now)?)
}
