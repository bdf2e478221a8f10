//! A decision among candidates: filters, worth and rank of each, twice where there were finalists.

use potluck_core::charter::{BargainRule, BargainRules};
use potluck_core::entry::Row;
use potluck_core::federation::bargain::{Bargaining, Excluded, NoDeal, Purpose};
use potluck_core::{Lambda, PartyId};

use super::cells::{Cell, Sheet, at, down, fixed};
use crate::command::agreement::facts::Facts;
use crate::command::agreement::words;

/// The rows of what holds for every candidate. Each has a party in a column, from the third on.
struct Terms {
    weight: usize,
    floor: usize,
    cap: usize,
    fallback: usize,
}

/// The first column that belongs to a party: before it stand a name and a number.
const FIRST: usize = 2;

/// A table of candidates, and where its columns are.
struct Stage<'a> {
    title: &'static str,
    bargain: &'a Bargaining,
    rules: &'a BargainRules,
    /// Candidates in the order in which ties are broken.
    numbers: Vec<usize>,
    coordinates: Vec<&'a PartyId>,
    heard: Vec<PartyId>,
    of_finalists: bool,
    excluded: Vec<Excluded>,
}

/// Where a table's results are.
struct Ranked {
    rows: (usize, usize),
    number: usize,
    standing: usize,
    rank: usize,
}

/// Fills the sheet.
pub(super) fn fill(
    sheet: &mut Sheet,
    facts: &Facts<'_>,
    bargain: &Bargaining,
    rules: &BargainRules,
) {
    let coordinates: Vec<_> = facts.round.experts.keys().collect();
    let result = sheet.text(&["result", "by these formulas", "in the ledger", "the same?"]);
    let (winner, runner_up, finalists, quorum) =
        (sheet.text(&[]), sheet.text(&[]), sheet.text(&[]), sheet.text(&[]));
    debug_assert!(winner == result + 1, "rows follow each other");
    sheet.text(&["rule", rules.rule.as_str(), words::bargain(rules.rule)]);
    sheet.text(&[note(rules.rule)]);
    sheet.text(&["Ties: the larger vector of sorted normalised gains, smallest first; then the smaller distance to the fallback; then whoever stands first."]);
    sheet.blank();
    let terms = terms(sheet, facts, bargain, &coordinates);

    let last = bargain.batches.last().filter(|it| it.purpose == Purpose::Finalists);
    let is_finalist =
        |it: &Excluded| last.is_some_and(|batch| batch.candidates.contains(&it.candidate));
    let excluded = facts.agreement.deal.as_ref().map(|it| it.excluded.clone()).unwrap_or_default();
    let (of_finalists, of_others): (Vec<_>, Vec<_>) = excluded.into_iter().partition(is_finalist);
    let first = Stage {
        title: "candidates, by their first scores",
        bargain,
        rules,
        numbers: bargain.scored(),
        coordinates: coordinates.clone(),
        heard: facts.heard_first(bargain),
        of_finalists: false,
        excluded: of_others,
    };
    let ranked = first.fill(sheet, &terms);
    let second = last.map(|batch| Stage {
        title: "finalists, by their second scores on new prompts",
        numbers: batch.candidates.clone(),
        heard: batch.ballots.keys().cloned().collect(),
        of_finalists: true,
        excluded: of_finalists,
        ..first.again()
    });
    let decided = second.as_ref().and_then(|stage| stage.fill(sheet, &terms));

    if let (Some(ranked), Some(second)) = (&ranked, &second) {
        sheet.replace(finalists, chosen_finalists(ranked, &second.numbers, rules));
    }
    let decisive = if second.is_some() { decided } else { ranked };
    if let Some(decisive) = decisive {
        let chosen = facts.chosen();
        let in_ledger = [chosen.map(|it| it.0), chosen.and_then(|it| it.1)];
        for (row, (name, rank, number)) in [winner, runner_up]
            .into_iter()
            .zip([("chosen candidate", 1, in_ledger[0]), ("runner-up", 2, in_ledger[1])])
        {
            sheet.replace(row, compared(row, name, &decisive.of_rank(rank), number));
        }
    }
    sheet.replace(quorum, quorum_row(facts, bargain, quorum));
}

fn note(rule: BargainRule) -> &'static str {
    match rule {
        BargainRule::Nash => {
            "The product of gains to the power of weights is compared by the sum of weight times LN(gain), rounded to nine decimals; the ledger compares exact integers, and its word counts where two candidates are nearer than that."
        }
        BargainRule::Leximin => {
            "Normalised gains are compared one after the other, the smallest first; each is a quotient of whole numbers."
        }
        BargainRule::Utilitarian => {
            "The sum of weight times normalised gain, rounded to twelve decimals; the ledger compares exact fractions."
        }
        BargainRule::AlphaHalf | BargainRule::AlphaTwo | BargainRule::AlphaSixteen => {
            "The sum is in floating point here; the ledger compares exact numbers. This rule depends on the scale of scores."
        }
    }
}

fn terms(
    sheet: &mut Sheet,
    facts: &Facts<'_>,
    bargain: &Bargaining,
    coordinates: &[&PartyId],
) -> Terms {
    let mut line = |name: &str, cell: &dyn Fn(&PartyId) -> Cell| {
        let cells = coordinates.iter().map(|party| cell(party));
        sheet.push([name.into(), Cell::Empty].into_iter().chain(cells).collect())
    };
    let charter = facts.charter();
    line("party", &|party| Cell::Text(party.to_string()));
    let weight = line("weight", &|party| charter.weight(party).into());
    let floor = line("floor", &|party| charter.floor(party).into());
    let cap = line("cap", &|party| charter.cap(party).into());
    let fallback = line("fallback (lambda 0)", &|party| share(&bargain.entitlement, party));
    line("agreed", &|party| share(&facts.agreement.lambda, party));
    line("heard to the end", &|party| bargain.heard.contains(party).into());
    sheet.blank();
    Terms { weight, floor, cap, fallback }
}

fn share(lambda: &Lambda, party: &PartyId) -> Cell {
    lambda.ppm().get(party).copied().unwrap_or(0).into()
}

/// What is found by formulas beside what the ledger has.
fn compared(row: usize, name: &str, formula: &str, number: Option<usize>) -> Vec<Cell> {
    let known = number.map_or(Cell::from("none"), |it| Cell::Number(it as i64 + 1));
    let same = format!("IF({}={},\"yes\",\"NO\")", at(1, row), at(2, row));
    vec![name.into(), Cell::Formula(formula.to_owned()), known, Cell::Formula(same)]
}

/// That the finalists are the best by the first scores.
fn chosen_finalists(ranked: &Ranked, finalists: &[usize], rules: &BargainRules) -> Vec<Cell> {
    let (rank, standing) = (down(ranked.rank, ranked.rows), down(ranked.standing, ranked.rows));
    let numbers = down(ranked.number, ranked.rows);
    let most = rules.finalists;
    let known: Vec<_> = finalists.iter().map(|it| format!("({numbers}={})", it + 1)).collect();
    let hits = format!("SUMPRODUCT(({standing}=1)*({rank}<={most})*({}))", known.join("+"));
    let same = format!(
        "IF(AND({hits}={},{}=MIN({most},SUM({standing}))),\"yes\",\"NO\")",
        finalists.len(),
        finalists.len()
    );
    let listed: Vec<_> = finalists.iter().map(|it| (it + 1).to_string()).collect();
    vec![
        "finalists".into(),
        Cell::Formula(format!("SUMPRODUCT(({standing}=1)*({rank}<={most}))")),
        Cell::Text(listed.join(" ")),
        Cell::Formula(same),
    ]
}

/// Whether enough weight was heard.
fn quorum_row(facts: &Facts<'_>, bargain: &Bargaining, row: usize) -> Vec<Cell> {
    let weight = |party: &PartyId| i64::from(facts.charter().weight(party));
    let heard: i64 = bargain.heard.iter().map(weight).sum();
    let all: i64 = facts.round.experts.keys().map(weight).sum();
    let permille = facts.charter().rounds().quorum_permille;
    let formula = format!("IF(AND({heard}>0,{heard}*1000>={all}*{permille}),\"met\",\"not met\")");
    let known = if facts.no_deal() == Some(NoDeal::NoQuorum) { "not met" } else { "met" };
    let same = format!("IF({}={},\"yes\",\"NO\")", at(1, row), at(2, row));
    vec!["quorum".into(), Cell::Formula(formula), known.into(), Cell::Formula(same)]
}

impl Ranked {
    /// The number of the candidate of this rank, or `none`.
    fn of_rank(&self, rank: usize) -> String {
        let (standing, number) = (down(self.standing, self.rows), down(self.number, self.rows));
        let ranks = down(self.rank, self.rows);
        format!("IF(SUM({standing})<{rank},\"none\",INDEX({number},MATCH({rank},{ranks},0)))")
    }
}

impl<'a> Stage<'a> {
    /// The same bargain, other candidates.
    fn again(&self) -> Self {
        Self {
            title: self.title,
            bargain: self.bargain,
            rules: self.rules,
            numbers: Vec::new(),
            coordinates: self.coordinates.clone(),
            heard: Vec::new(),
            of_finalists: self.of_finalists,
            excluded: Vec::new(),
        }
    }

    fn row_of(&self, party: &PartyId, number: usize) -> Option<Row> {
        let batches = self
            .bargain
            .batches
            .iter()
            .filter(|it| (it.purpose == Purpose::Finalists) == self.of_finalists);
        let mut rows = batches.flat_map(|batch| batch.rows(party));
        rows.find(|(it, _)| *it == number).map(|(_, row)| *row)
    }

    /// Adds the table; nothing where nobody was heard.
    fn fill(&self, sheet: &mut Sheet, terms: &Terms) -> Option<Ranked> {
        if self.heard.is_empty() || self.numbers.is_empty() {
            return None;
        }
        let plan = Plan::new(self, sheet.next(), terms);
        sheet.text(&[self.title]);
        sheet.push(plan.ideals());
        sheet.push(plan.head());
        for (position, &number) in self.numbers.iter().enumerate() {
            sheet.push(plan.line(position, number));
        }
        sheet.blank();
        let Plan { rows, rank, standing, .. } = plan;
        Some(Ranked { rows, number: 0, standing, rank })
    }
}

/// The columns of a table, counted from 0, and the formulas in them.
struct Plan<'s, 'a> {
    stage: &'s Stage<'a>,
    terms: &'s Terms,
    rows: (usize, usize),
    ideal_row: usize,
    score: usize,
    accept: usize,
    lawful: usize,
    accepted: usize,
    gained: usize,
    admissible: usize,
    struck: usize,
    standing: usize,
    part: usize,
    worth: usize,
    sorted: usize,
    distance: usize,
    rank: usize,
    reason: usize,
}

impl<'s, 'a> Plan<'s, 'a> {
    fn new(stage: &'s Stage<'a>, title_row: usize, terms: &'s Terms) -> Self {
        let (shares, heard) = (stage.coordinates.len(), stage.heard.len());
        let strikes = if stage.rules.veto { heard } else { 0 };
        let score = FIRST + shares;
        let accept = score + heard;
        let lawful = accept + heard;
        let (accepted, gained, admissible, struck) =
            (lawful + 1, lawful + 2, lawful + 3, lawful + 4);
        let standing = struck + strikes;
        let part = standing + 1;
        let worth = part + heard;
        let sorted = worth + 1;
        let distance = sorted + heard;
        let first = title_row + 3;
        let rows = (first, first + stage.numbers.len() - 1);
        Self {
            stage,
            terms,
            rows,
            ideal_row: title_row + 1,
            score,
            accept,
            lawful,
            accepted,
            gained,
            admissible,
            struck,
            standing,
            part,
            worth,
            sorted,
            distance,
            rank: distance + 1,
            reason: distance + 2,
        }
    }

    fn heard(&self) -> std::ops::Range<usize> {
        0..self.stage.heard.len()
    }

    /// The column of a heard party among the terms.
    fn term(&self, party: usize) -> usize {
        let name = &self.stage.heard[party];
        let place = self.stage.coordinates.iter().position(|it| *it == name);
        FIRST + place.unwrap_or(0)
    }

    /// The largest gain of each party among those that stand: what its gains are measured by.
    fn ideals(&self) -> Vec<Cell> {
        let mut row = vec![Cell::from("largest gain that stands")];
        row.resize(self.score, Cell::Empty);
        row.extend(self.heard().map(|party| {
            let (scores, standing) =
                (down(self.score + party, self.rows), down(self.standing, self.rows));
            Cell::Formula(format!("SUMPRODUCT(MAX({standing}*{scores}))"))
        }));
        row
    }

    fn head(&self) -> Vec<Cell> {
        let mut head: Vec<Cell> = vec!["candidate".into(), "place".into()];
        let named = |what: &str, party: &PartyId| Cell::Text(format!("{what} {party}"));
        head.extend(self.stage.coordinates.iter().map(|it| named("share of", it)));
        let heard = || self.stage.heard.iter();
        head.extend(heard().map(|it| named("score of", it)));
        head.extend(heard().map(|it| named("accepted by", it)));
        head.extend(
            ["within bounds", "accepted by all", "a gain for all", "admissible"].map(Cell::from),
        );
        if self.stage.rules.veto {
            head.extend(heard().map(|it| named("struck by", it)));
        }
        head.push("stands".into());
        head.extend(heard().map(|it| named("normalised gain of", it)));
        head.push("worth by the rule".into());
        head.extend(self.heard().map(|it| Cell::Text(format!("gain {} from below", it + 1))));
        head.extend(["distance to fallback", "rank", "why not, in the ledger"].map(Cell::from));
        head
    }

    fn line(&self, position: usize, number: usize) -> Vec<Cell> {
        let (stage, row) = (self.stage, self.rows.0 + position);
        let lambda = stage.bargain.candidates.get(number);
        let mut line = vec![Cell::Number(number as i64 + 1), Cell::Number(position as i64 + 1)];
        line.extend(
            stage
                .coordinates
                .iter()
                .map(|party| lambda.map_or(Cell::Empty, |lambda| share(lambda, party))),
        );
        let said: Vec<_> = stage.heard.iter().map(|party| stage.row_of(party, number)).collect();
        line.extend(said.iter().map(|it| it.map_or(Cell::Empty, |it| Cell::Number(it.score))));
        line.extend(said.iter().map(|it| it.map_or(Cell::Empty, |it| it.accept.into())));
        line.push(Cell::Formula(self.bounds(row)));
        line.push(Cell::Formula(self.all(self.accept, row, "=1")));
        line.push(Cell::Formula(self.all(self.score, row, ">0")));
        let filters = [self.lawful, self.accepted, self.gained].map(|col| at(col, row));
        line.push(Cell::Formula(filters.join("*")));
        if stage.rules.veto {
            line.extend(self.heard().map(|party| Cell::Formula(self.strikes(party, row))));
        }
        line.push(Cell::Formula(self.stands(row)));
        line.extend(self.heard().map(|party| {
            let (score, ideal) =
                (at(self.score + party, row), fixed(self.score + party, self.ideal_row));
            Cell::Formula(format!("IF({}=1,{score}/{ideal},0)", at(self.standing, row)))
        }));
        line.push(Cell::Formula(format!("IF({}=1,{},0)", at(self.standing, row), self.worth(row))));
        let parts =
            format!("{}:{}", at(self.part, row), at(self.part + stage.heard.len() - 1, row));
        line.extend(self.heard().map(|it| Cell::Formula(format!("SMALL({parts},{})", it + 1))));
        line.push(Cell::Formula(self.distance(row)));
        line.push(Cell::Formula(format!(
            "IF({}=1,1+SUMPRODUCT(({}=1)*{}),0)",
            at(self.standing, row),
            down(self.standing, self.rows),
            self.better(row)
        )));
        debug_assert!(line.len() == self.reason, "the columns are as planned");
        let out = stage.excluded.iter().find(|it| it.candidate == number);
        line.push(
            out.map_or(Cell::Empty, |it| Cell::Text(format!("{} {}", it.party, it.reason.words()))),
        );
        line
    }

    /// Every share between its floor and cap; who is not heard has no floor.
    fn bounds(&self, row: usize) -> String {
        let each = self.stage.coordinates.iter().enumerate().map(|(place, party)| {
            let (share, term) = (at(FIRST + place, row), FIRST + place);
            let cap = format!("{share}<={}", fixed(term, self.terms.cap));
            match self.stage.heard.contains(party) {
                true => format!("{share}>={},{cap}", fixed(term, self.terms.floor)),
                false => cap,
            }
        });
        format!("IF(AND({}),1,0)", each.collect::<Vec<_>>().join(","))
    }

    /// That all parties' cells from a column on pass a test.
    fn all(&self, col: usize, row: usize, test: &str) -> String {
        let each = self.heard().map(|party| format!("{}{test}", at(col + party, row)));
        format!("IF(AND({}),1,0)", each.collect::<Vec<_>>().join(","))
    }

    /// Its party's worst, as many as its weight is worth: ⌈weight · admissible / all weights⌉ − 1. Of equals the later one.
    fn strikes(&self, party: usize, row: usize) -> String {
        let weight = |party| fixed(self.term(party), self.terms.weight);
        let all = self.heard().map(weight).collect::<Vec<_>>().join("+");
        let (open, scores) =
            (down(self.admissible, self.rows), down(self.score + party, self.rows));
        let (mine, place, places) = (at(self.score + party, row), at(1, row), down(1, self.rows));
        let worse =
            format!("SUMPRODUCT({open}*(({scores}<{mine})+({scores}={mine})*({places}>{place})))");
        let share = format!("({}*SUM({open})+({all})-1)/({all})", weight(party));
        format!("IF({}=1,IF({worse}<INT({share})-1,1,0),0)", at(self.admissible, row))
    }

    fn stands(&self, row: usize) -> String {
        let admissible = at(self.admissible, row);
        if !self.stage.rules.veto {
            return admissible;
        }
        let struck = self.heard().map(|party| at(self.struck + party, row));
        format!("IF(AND({admissible}=1,{}=0),1,0)", struck.collect::<Vec<_>>().join("+"))
    }

    fn worth(&self, row: usize) -> String {
        let weight = |party| fixed(self.term(party), self.terms.weight);
        let sum = |term: &dyn Fn(usize) -> String| {
            let terms = self.heard().map(|party| format!("{}*{}", weight(party), term(party)));
            terms.collect::<Vec<_>>().join("+")
        };
        let gain = |party| at(self.score + party, row);
        match self.stage.rules.rule {
            BargainRule::Nash => format!("ROUND({},9)", sum(&|it| format!("LN({})", gain(it)))),
            // Its sorted gains alone decide.
            BargainRule::Leximin => "0".to_owned(),
            BargainRule::Utilitarian => format!("ROUND({},12)", sum(&|it| at(self.part + it, row))),
            BargainRule::AlphaHalf => {
                format!("ROUND({},9)", sum(&|it| format!("SQRT({})", gain(it))))
            }
            BargainRule::AlphaTwo => format!("-({})", sum(&|it| format!("(1000000/{})", gain(it)))),
            BargainRule::AlphaSixteen => {
                format!("-({})", sum(&|it| format!("(1000000/{})^15", gain(it))))
            }
        }
    }

    fn distance(&self, row: usize) -> String {
        let each = (0..self.stage.coordinates.len()).map(|place| {
            let col = FIRST + place;
            format!("ABS({}-{})", at(col, row), fixed(col, self.terms.fallback))
        });
        each.collect::<Vec<_>>().join("+")
    }

    /// One for each candidate that goes before the one in `row`, column by column.
    fn better(&self, row: usize) -> String {
        let than =
            |col: usize, sign: &str| format!("({}{sign}{})", down(col, self.rows), at(col, row));
        let nearer =
            format!("({}+{}*{})", than(self.distance, "<"), than(self.distance, "="), than(1, "<"));
        let sorted = self.heard().rev().map(|it| self.sorted + it);
        sorted
            .chain([self.worth])
            .fold(nearer, |rest, col| format!("({}+{}*{rest})", than(col, ">"), than(col, "=")))
    }
}
