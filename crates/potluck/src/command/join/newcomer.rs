//! Joining by invitation: the keys are made, shown to be held, and in the ledger under the operator's signature.
//!
//! The keys are on disk before anything is sent, and the settings are written last: whatever is killed on the way, the
//! same line joins with the same keys when it is tried again.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::entry::{Join, join_text, possession_text};
use potluck_core::{Author, Body, Keys, PrivateKey, Role, Signature};
use potluck_net::Tuning;
use serde_json::json;

use crate::clock::now;
use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::{
    PARTY_FILE, PARTY_KEY, Passphrases, WITNESS_KEY, create_key, party_text, read_key,
};
use crate::invitation::Invitation;
use crate::ledger::Memory;
use crate::output::Output;
use crate::place::Door;
use crate::session::{MemberSession, Said};

/// A line has fewer bytes.
const MAX_INPUT: u64 = 8192;

/// Takes the invitation up.
pub(super) async fn run(
    line: &str,
    dir: Option<&Path>,
    address: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let mut invitation = read(line)?;
    if let Some(address) = address {
        invitation.address = address.to_owned();
    }
    let dir = dir.map_or_else(|| PathBuf::from(invitation.party.as_str()), Path::to_owned);
    if dir.join(PARTY_FILE).exists() {
        let message = format!("{} has joined already", dir.display());
        return Err(Failure::input(message).hint("name another folder after the invitation"));
    }
    let newcomer = Newcomer::prepare(&dir, &invitation)?;
    let (said, already) = newcomer.join(&invitation).await?;
    let settings = dir.join(PARTY_FILE);
    let text = party_text(&invitation.party, &invitation.address, &invitation.log);
    durable::write(&settings, text.as_bytes(), Readers::Anyone).map_err(|error| {
        Failure::system(format!("cannot write {}: {error}", settings.display()))
    })?;

    let (party, key) = (&invitation.party, newcomer.sign.public());
    output.line(format!(
        "{} is the folder of {party}, entry {} of the ledger.",
        dir.display(),
        said.index
    ));
    output.line(format!("Keep a copy of {}: it is the only way back.", dir.join("keys").display()));
    output.result(&json!({
        "dir": dir, "party": party, "key": key.to_string(), "index": said.index,
        "receipt": said.receipt, "already": already,
    }));
    Ok(())
}

fn read(line: &str) -> Result<Invitation, Failure> {
    let mut text = line.to_owned();
    if line == "-" {
        text.clear();
        let read = std::io::stdin().take(MAX_INPUT).read_to_string(&mut text);
        read.map_err(|error| Failure::input(format!("standard input: {error}")))?;
    }
    text.parse().map_err(Failure::input)
}

/// Who is about to join.
struct Newcomer {
    dir: PathBuf,
    sign: PrivateKey,
    witness: PrivateKey,
}

impl Newcomer {
    fn prepare(dir: &Path, invitation: &Invitation) -> Result<Self, Failure> {
        if now()? > invitation.expires {
            let message = "the invitation has expired by this machine's clock";
            return Err(
                Failure::unverified("invite-expired", message).hint("ask the operator for another")
            );
        }
        let passphrases = Passphrases::of_environment();
        // A key without settings is what an interrupted try left; it is as good as a new one.
        let key = |name: &str| {
            let path = dir.join(name);
            if path.exists() { read_key(&path, &passphrases) } else { create_key(&path, None) }
        };
        Ok(Self { dir: dir.to_owned(), sign: key(PARTY_KEY)?, witness: key(WITNESS_KEY)? })
    }

    /// Connects with the invitation's key, and says with the new one that it is taken up.
    async fn join(&self, invitation: &Invitation) -> Result<(Said, bool), Failure> {
        let author = Author::Party(invitation.party.clone());
        let door = Door {
            address: invitation.address.clone(),
            log: invitation.log.clone(),
            identity: invitation.key(),
            memory: Some(Memory::at(self.dir.join("state"))),
            pki: None,
            witness: None,
            tuning: Tuning::default(),
        };
        let sign = Box::new(PrivateKey::from_seed(&self.sign.as_dalek().to_bytes()));
        let receipts = self.dir.join("receipts");
        let mut session = MemberSession::newcomer(door, author.clone(), sign, receipts).await?;
        let federation = session.federation();
        if federation.id() != invitation.federation {
            let message = "the aggregator serves another federation than the invitation is for";
            return Err(Failure::unverified("federation-mismatch", message)
                .hint("ask the operator for an invitation of this federation"));
        }
        let member = federation.members().get(&author);
        let mine = member.filter(|member| member.sign == Some(self.sign.public()));
        let before = mine.map(|member| member.since);
        let said = match before {
            Some(index) => session.said_before(index).await?,
            None => {
                let body = self.body(invitation, &author);
                session.say(Body::Join(body)).await?
            }
        };
        session.close().await;
        Ok((said, before.is_some()))
    }

    fn body(&self, invitation: &Invitation, author: &Author) -> Join {
        let key = invitation.key();
        let witness = self.witness.public();
        let keys = Keys { witness: Some(witness), ..Keys::signing(self.sign.public()) };
        let text = join_text(invitation.federation, &invitation.party, &keys);
        let proof = possession_text(invitation.federation, author, Role::Witness, &witness);
        Join {
            invite: key.public().id(),
            keys,
            token: Signature::from_bytes(key.sign(text.as_bytes())),
            transport_proof: None,
            witness_proof: Some(Signature::from_bytes(self.witness.sign(proof.as_bytes()))),
        }
    }
}
