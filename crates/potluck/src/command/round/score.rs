//! `potluck round score`: a party tries the candidates out, by its own evaluator, on its own machine.

mod batch;
mod dishes;
mod judge;
mod notebook;
mod picture;
mod tally;

use std::path::PathBuf;

use potluck_core::Blake3;
use potluck_core::charter::Disagreement;
use serde_json::{Value, json};

use self::batch::Zero;
pub(super) use self::batch::{Open, Scored, ballot};
use self::dishes::Kitchen;
use self::judge::by_hand;
pub(super) use self::notebook::Notebook;
use self::notebook::{Evaluation, Pages, Verdict, judge_id};
use crate::command::audit::book::Book;
use crate::command::push::party_folder;
use crate::command::table::{number, table};
use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::output::{Output, one_line};
use crate::place::Member;
use crate::session::Session;

/// What stands for the command where scores were given in a file.
const BY_HAND: &str = "by hand";

/// Score the open batch of candidates with your own evaluator (party)
///
/// Each candidate is mixed on this machine from the experts, beside the base's other files, and your evaluator is run on its
/// folder. Scores stay in rounds/ of your folder: what `potluck round commit` binds you to are gains over no deal, as parts of
/// your own best. What is scored already is not scored again, so a command that was cut off goes on.
///
/// The evaluator is a command for sh. It finds the model's folder in $POTLUCK_MODEL, the seed of every draw in $POTLUCK_SEED, and
/// in $POTLUCK_PROMPTS on how many prompts to score, at least. Its last line on standard output is
///   {"scores": [0.25, …]}                               one a prompt, in the same order for each model
///   {"mean": 0.25, "error": 0.01, "prompts": 400}       or their mean and its standard error
/// with "samples": ["…", …] beside, if somebody is to look at what the model writes.
///
/// Examples:
///   potluck round score --dir mine --evaluate 'python judge.py'
///   potluck round score --dir mine --by-hand scores.json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// The evaluator [default: the one used last]
    #[arg(long, value_name = "COMMAND")]
    evaluate: Option<String>,
    /// Take scores from a file: {"zero": …, "candidates": {"1": …, …}}, each as an evaluator prints it
    #[arg(long, value_name = "FILE", conflicts_with = "evaluate")]
    by_hand: Option<PathBuf>,
    /// On how many prompts; finalists on four times as many [default: the charter's least]
    #[arg(long, value_name = "N")]
    prompts: Option<u32>,
    /// Below which score you would rather have no deal, in your evaluator's units; nobody learns it
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    reserve: Option<f64>,
    /// How long the evaluator may take for one model
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    patience: u64,
    /// How many samples of each candidate to show
    #[arg(long, value_name = "N", default_value_t = 0)]
    samples: usize,
}

/// Scores what is not scored yet, and shows what comes of it.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (folder, _) = party_folder(&args.member)?;
    let mut book = Book::default();
    let mut note = |line: crate::ledger::Line<'_>| {
        book.note(&line);
        Ok(())
    };
    let session = Session::open_whole(args.member.door(&folder)?, &mut note).await?;
    let open = Open::find(session.federation())?;
    let notebook = Notebook::of(&folder, session.federation().id());
    let mut pages = notebook.read()?;
    let prompts = open.batch.prompts(take_down(args, &open, &mut pages)?);
    if let Some(path) = &args.by_hand {
        keep_by_hand(path, &open, prompts, &mut pages)?;
        notebook.write(&pages)?;
    } else {
        let work = Work {
            open: &open,
            book: &book,
            notebook: &notebook,
            prompts,
            patience: args.patience,
        };
        work.score_all(&session, folder.kitchen(), &mut pages, output).await?;
    }
    if let Some(unit) = open.unit(&pages)? {
        pages.units.insert(open.round.number, unit);
        notebook.write(&pages)?;
    }
    let missing = || Failure::input("the file gives no score for one of the batch's candidates");
    let scored = open.tally(&pages)?.ok_or_else(missing)?;
    let zero =
        pages.judge(open.batch).and_then(|it| pages.find(open.zero().model(), it, open.seed()));
    let picture = folder.rounds().join(format!(
        "{}-{}-batch-{}.svg",
        session.federation().id().short(),
        open.round.number,
        open.number
    ));
    durable::write(&picture, picture::svg(&open, &scored).as_bytes(), Readers::Owner)
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", picture.display())))?;
    show(args, &scored, zero, output);
    output.line(format!(
        "Scores are kept in {}, a picture in {}.",
        notebook.path().display(),
        picture.display()
    ));
    output.line(
        "`potluck round commit` binds you to them; --refuse N says which you would not live with.",
    );
    output.result(&as_json(&open, &scored, zero, &picture));
    session.close().await;
    Ok(())
}

/// Takes down who judges, and on how many prompts.
fn take_down(args: &Args, open: &Open<'_>, pages: &mut Pages) -> Result<u32, Failure> {
    let rules = open.federation.charter().bargain();
    let least = rules.map_or(1, |rules| rules.least_prompts);
    let prompts = args.prompts.or(pages.prompts).unwrap_or(least);
    if prompts < least {
        let message = format!("--prompts {prompts}: the charter asks for at least {least}");
        return Err(Failure::input(message));
    }
    pages.prompts = Some(prompts);
    match (&args.evaluate, &args.by_hand) {
        (Some(command), _) => pages.command = Some(command.clone()),
        (None, Some(_)) => pages.command = Some(BY_HAND.to_owned()),
        (None, None) if pages.command.as_deref().is_none_or(|it| it == BY_HAND) => {
            return Err(Failure::input("no evaluator is known yet")
                .hint("name yours with --evaluate, or give scores with --by-hand"));
        }
        (None, None) => {}
    }
    if let Some(reserve) = args.reserve {
        if rules.is_none_or(|rules| rules.disagreement != Disagreement::Reserve)
            || !reserve.is_finite()
        {
            return Err(Failure::input("--reserve is for charters with disagreement = 'reserve'"));
        }
        pages.reserve = Some(reserve);
    }
    Ok(prompts)
}

/// What it takes to score a batch.
struct Work<'a> {
    open: &'a Open<'a>,
    book: &'a Book,
    notebook: &'a Notebook,
    prompts: u32,
    patience: u64,
}

impl Work<'_> {
    /// Scores no deal and every candidate, each kept as soon as it is there.
    async fn score_all(
        &self,
        session: &Session,
        kitchen: PathBuf,
        pages: &mut Pages,
        output: &Output,
    ) -> Result<(), Failure> {
        let federation = session.federation();
        let command = pages.command.clone().unwrap_or_default();
        let (judge, seed) = (judge_id(&command, self.prompts), self.open.seed());
        let question = self.open.question(&command, self.prompts, self.patience);
        let is_new = |pages: &Pages, model| pages.find(model, judge, seed).is_none();
        let todo: Vec<_> = self.open.recipes()?;
        let todo: Vec<_> =
            todo.into_iter().filter(|(.., recipe)| is_new(pages, recipe.digest())).collect();
        let zero = self.open.zero();
        if todo.is_empty() && !is_new(pages, zero.model()) {
            return Ok(());
        }
        let mut kitchen = Kitchen::open(kitchen, session, federation.base(), output).await?;
        if is_new(pages, zero.model()) {
            let verdict = match &zero {
                Zero::Base(_) => question.ask(kitchen.base(), "the base").await?,
                Zero::StatusQuo(soup) => {
                    let dish = kitchen.soup(session, &soup.file, output).await?;
                    question.ask(dish.path(), "the soup in force").await?
                }
            };
            self.keep(pages, zero.model(), judge, verdict)?;
        }
        for ingredient in todo.iter().flat_map(|(.., recipe)| recipe.experts()) {
            let expert = self.book.expert(&ingredient.party, &ingredient.manifest);
            let expert = expert.ok_or_else(|| {
                Failure::system(format!("the ledger shows no expert of {}", ingredient.party))
            })?;
            let whose = (&ingredient.party, ingredient.manifest);
            kitchen.take(session, whose, &expert.weights, output).await?;
        }
        let count = todo.len();
        for (place, (number, lambda, recipe)) in (1..).zip(&todo) {
            let name = format!("candidate {}", number + 1);
            let dish = kitchen.mix(recipe, &name, output)?;
            let verdict = question.ask(dish.path(), &name).await?;
            output.line(format!(
                "  {place} of {count}: candidate {}, {lambda}: {} ± {}",
                number + 1,
                crate::command::table::number(verdict.mean),
                crate::command::table::number(verdict.error)
            ));
            self.keep(pages, recipe.digest(), judge, verdict)?;
        }
        Ok(())
    }

    fn keep(
        &self,
        pages: &mut Pages,
        model: Blake3,
        judge: Blake3,
        verdict: Verdict,
    ) -> Result<(), Failure> {
        pages.evaluations.push(Evaluation { model, judge, seed: self.open.seed(), verdict });
        self.notebook.write(pages)
    }
}

/// Takes the scores of a file in.
fn keep_by_hand(
    path: &std::path::Path,
    open: &Open<'_>,
    prompts: u32,
    pages: &mut Pages,
) -> Result<(), Failure> {
    let (zero, candidates) = by_hand(path, prompts)?;
    let (judge, seed) = (judge_id(BY_HAND, prompts), open.seed());
    let recipes = open.recipes()?;
    if let Some(number) =
        candidates.keys().find(|it| !recipes.iter().any(|(number, ..)| number + 1 == **it))
    {
        let message = format!("{}: candidate {number} is not in the open batch", path.display());
        return Err(Failure::input(message));
    }
    let mut keep =
        |model, verdict| pages.evaluations.push(Evaluation { model, judge, seed, verdict });
    keep(open.zero().model(), zero);
    for (number, _, recipe) in &recipes {
        if let Some(verdict) = candidates.get(&(number + 1)) {
            keep(recipe.digest(), verdict.clone());
        }
    }
    Ok(())
}

fn show(args: &Args, scored: &[Scored<'_>], zero: Option<&Verdict>, output: &Output) {
    let percent = super::candidates::percent;
    let mut rows: Vec<_> = scored
        .iter()
        .map(|it| {
            vec![
                format!("{}", it.number + 1),
                number(it.verdict.mean),
                format!("{} ± {}", number(it.gain.mean), number(it.gain.error)),
                percent(it.row.score),
                it.lambda.to_string(),
            ]
        })
        .collect();
    if let Some(zero) = zero {
        let none =
            vec!["no deal".to_owned(), number(zero.mean), "0".to_owned(), "0.0 %".to_owned()];
        rows.insert(0, none);
    }
    let lines = table(&["candidate", "score", "gain", "of your best", "λ"], &rows);
    lines.into_iter().for_each(|line| output.line(line));
    for it in scored.iter().filter(|_| args.samples > 0) {
        output.line(format!("Candidate {}, {}:", it.number + 1, it.lambda));
        for sample in it.verdict.samples.iter().take(args.samples) {
            output.line(format!("  {}", one_line(sample)));
        }
    }
}

fn as_json(
    open: &Open<'_>,
    scored: &[Scored<'_>],
    zero: Option<&Verdict>,
    picture: &std::path::Path,
) -> Value {
    let candidates: Vec<_> = scored
        .iter()
        .map(|it| {
            json!({
                "number": it.number + 1, "lambda_ppm": it.lambda, "mean": it.verdict.mean,
                "error": it.verdict.error, "gain": it.gain.mean, "gain_error": it.gain.error,
                "score_ppm": it.row.score, "error_ppm": it.row.error, "samples": it.verdict.samples,
            })
        })
        .collect();
    json!({
        "round": open.round.number, "batch": open.number, "purpose": open.batch.purpose.as_str(),
        "seed": open.seed().to_string(), "zero": zero.map(|zero| zero.mean),
        "candidates": candidates, "picture": picture,
    })
}
