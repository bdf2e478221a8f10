//! `potluck admit`: the operator lets a party in.

use potluck_core::entry::Admit;
use potluck_core::{Author, Body, Keys, PartyId, PublicKey};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::ledger::Ledger;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Let a party's key in (operator)
///
/// Compare the key with the party over another channel first: whoever holds it speaks for the party from here on.
///
/// Example: potluck admit --dir kitchen readers ed25519:1f0c…
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// The party, as the charter has it
    name: String,
    /// The public key that `potluck join` printed
    key: String,
    /// The public key with which it cosigns checkpoints, if it has one
    #[arg(long, value_name = "KEY")]
    witness: Option<String>,
    /// The public key by which it is known on the network, if that is another
    #[arg(long, value_name = "KEY")]
    transport: Option<String>,
}

/// Records the admission, unless it is recorded already.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&args.member.dir)?;
    let party: PartyId = args.name.parse().map_err(Failure::input)?;
    let key: PublicKey = args.key.parse().map_err(Failure::input)?;
    let other = |key: &Option<String>| key.as_deref().map(str::parse).transpose();
    let keys = Keys {
        sign: key,
        transport: other(&args.transport).map_err(Failure::input)?,
        witness: other(&args.witness).map_err(Failure::input)?,
    };
    let mut session = MemberSession::open(&args.member, &folder).await?;

    let before = session.find_own(|ledger| admitted_before(ledger, &party, &key));
    let said = match before {
        Some(index) => session.said_before(index).await?,
        None => session.say(Body::Admit(Admit { party: party.clone(), keys })).await?,
    };
    session.close().await;

    let verb = if before.is_some() { "was admitted already" } else { "is in" };
    output.line(format!("{party} {verb}: entry {} of the ledger.", said.index));
    output.result(&json!({
        "index": said.index, "party": party, "key": key.to_string(),
        "receipt": said.receipt, "already": before.is_some(),
    }));
    Ok(())
}

/// Where the party was admitted with this very key.
fn admitted_before(ledger: &Ledger, party: &PartyId, key: &PublicKey) -> Option<u64> {
    let member = ledger.federation().members().get(&Author::Party(party.clone()))?;
    (member.sign == Some(*key)).then_some(member.since)
}
