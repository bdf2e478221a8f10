//! `potluck publish`: the operator has the agreed soup made, signs it, and records it.

use potluck_core::entry::Publish;
use potluck_core::federation::Round;
use potluck_core::{Body, Federation, FileEntry, Recipe};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::{Output, bytes};
use crate::patience::patiently;
use crate::place::Member;
use crate::progress::Progress;
use crate::session::{MemberSession, Said};

/// Publish the soup of an agreed round (operator)
///
/// The aggregator makes it from the recipe that follows from the ledger; whoever doubts it recomputes it with
/// `potluck audit`. Publishing what is published already changes nothing.
///
/// Example: potluck publish --dir kitchen
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// Which round [default: the latest]
    #[arg(long, value_name = "N")]
    round: Option<u64>,
}

/// Finds the recipe, has it blended, signs what came out.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let round = find_round(session.federation(), args.round)?.clone();
    let recipe = session.federation().recipe(&round)?;

    let before = session.find_own(|_| round.soup.as_ref().map(|soup| soup.index));
    let (said, soup, already) = match round.soup.as_ref().zip(before) {
        Some((soup, index)) => (session.said_before(index).await?, soup.file.clone(), true),
        None => {
            let soup = blend(&session, round.number, &recipe, output).await?;
            let publish =
                Publish { round: round.number, recipe: recipe.clone(), soup: soup.clone() };
            (session.say(Body::Publish(publish)).await?, soup, false)
        }
    };
    session.close().await;

    report(&Published { round, recipe, soup, said, already }, output);
    Ok(())
}

fn find_round(federation: &Federation, number: Option<u64>) -> Result<&Round, Failure> {
    let rounds = federation.rounds();
    let round = match number {
        Some(number) => rounds.iter().find(|round| round.number == number),
        None => rounds.last(),
    };
    round.ok_or_else(|| {
        let which = number.map_or("no round".to_owned(), |number| format!("no round {number}"));
        Failure::unverified("round-wrong", format!("{which} has been opened yet"))
            .hint("`potluck round open` opens one")
    })
}

/// Has the soup made. A recipe other than the ledger's is never signed.
async fn blend(
    session: &MemberSession,
    round: u64,
    recipe: &Recipe,
    output: &Output,
) -> Result<FileEntry, Failure> {
    let progress = Progress::begin(output, "blending");
    let done = |done, total| progress.at(done, total);
    let blended = patiently(async || session.client().blend(round, done).await).await?;
    if blended.recipe != *recipe {
        let message = "the aggregator blended another recipe than the ledger leads to";
        return Err(Failure::unverified("recipe-mismatch", message));
    }
    Ok(blended.soup)
}

struct Published {
    round: Round,
    recipe: Recipe,
    soup: FileEntry,
    said: Said,
    already: bool,
}

fn report(published: &Published, output: &Output) {
    let Published { round, recipe, soup, said, already } = published;
    let agreement = round.agreement.as_ref();
    let lambda = agreement.map(|agreement| &agreement.lambda);
    let verb = if *already { "was published already" } else { "is published" };
    output.line(format!("The soup of round {} {verb}: entry {}.", round.number, said.index));
    if let Some(lambda) = lambda {
        output.line(format!("λ       {lambda}"));
    }
    output.line(format!("BLAKE3  {}", soup.blake3));
    output.line(format!("size    {}", bytes(soup.size)));
    output.result(&json!({
        "index": said.index, "round": round.number,
        "rule": agreement.map(|agreement| agreement.rule.as_str()), "lambda_ppm": lambda,
        "recipe": recipe.digest(),
        "blake3": soup.blake3, "sha256": soup.sha256, "size": soup.size,
        "receipt": said.receipt, "already": already,
    }));
}
