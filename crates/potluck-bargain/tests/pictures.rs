//! The pictures of the simplex in `docs/negotiation.md`, drawn by the rules themselves.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --release -p potluck-bargain --test pictures` draws them anew.

#![allow(clippy::unwrap_used, reason = "a picture that cannot be drawn fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "pictures are written on request, and need no durability"
)]

use std::fmt::Write as _;
use std::path::Path;

use potluck_bargain::design::lattice;
use potluck_bargain::surrogate::{Model, Quadratic, suggest};
use potluck_bargain::{
    Candidate, Party, Phantoms, Rule, Score, Shares, Table, choose, phantom, weighted_mean,
};

const NAMES: [&str; 3] = ["agency", "checkers", "readers"];
const COLOURS: [&str; 3] = ["#b3423a", "#2b62b0", "#0a7d6c"];

/// A point of the simplex on the page: the first corner left, the second right, the third on top.
fn place(lambda: &[f64]) -> (f64, f64) {
    let (x, y) = (lambda[1] + lambda[2] / 2.0, lambda[2] * 3.0_f64.sqrt() / 2.0);
    (90.0 + 420.0 * x, 430.0 - 420.0 * y)
}

fn parts(shares: &Shares) -> Vec<f64> {
    shares.ppm().iter().map(|ppm| f64::from(*ppm) / 1e6).collect()
}

struct Picture(String);

/// What draws a mark at a place.
type Mark<'a> = &'a dyn Fn(&mut Picture, (f64, f64));

impl Picture {
    fn of(title: &str) -> Self {
        let mut picture = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 490\" font-family=\"sans-serif\" font-size=\"14\" \
             role=\"img\">\n<title>{title}</title>\n<rect width=\"760\" height=\"490\" fill=\"#fff\"/>\n"
        ));
        let corners = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|it| place(&it));
        let points: Vec<_> = corners.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        picture.line(&format!(
            "<polygon points=\"{}\" fill=\"none\" stroke=\"#444\" stroke-width=\"1.5\"/>",
            points.join(" ")
        ));
        for (((x, y), name), (dx, dy)) in
            corners.iter().zip(NAMES).zip([(-20.0, 24.0), (20.0, 24.0), (0.0, -12.0)])
        {
            picture.text(x + dx, y + dy, "middle", &format!("{name} alone"));
        }
        picture
    }

    fn line(&mut self, text: &str) {
        writeln!(self.0, "{text}").unwrap();
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.line(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222\">{text}</text>"
        ));
    }

    fn circle(&mut self, at: (f64, f64), radius: f64, fill: &str, stroke: &str) {
        let (x, y) = at;
        self.line(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>"
        ));
    }

    fn cross(&mut self, at: (f64, f64), colour: &str) {
        let (x, y) = at;
        self.line(&format!(
            "<path d=\"M{:.1} {y:.1}h14M{x:.1} {:.1}v14\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
            x - 7.0,
            y - 7.0
        ));
    }

    fn diamond(&mut self, at: (f64, f64), fill: &str) {
        let (x, y) = at;
        self.line(&format!(
            "<path d=\"M{x:.1} {:.1}l7 7l-7 7l-7 -7z\" fill=\"{fill}\" stroke=\"#222\" stroke-width=\"1.5\"/>",
            y - 7.0
        ));
    }

    fn compare_with(mut self, name: &str) {
        self.line("</svg>");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures").join(name);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &self.0).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == self.0,
            "{name} is not what the rules draw: UPDATE_SNAPSHOTS=1 draws it anew"
        );
    }
}

/// Three wishes, and what each rule makes of them.
#[test]
fn wishes() {
    let wishes =
        [[700_000, 200_000, 100_000], [600_000, 100_000, 300_000], [100_000, 800_000, 100_000]];
    let wishes = wishes.map(|ppm| Shares::new(ppm.to_vec()).unwrap());
    let ballots: Vec<_> = wishes.iter().map(|wish| (1, wish)).collect();
    let mut picture = Picture::of("Three wishes on the simplex, and what each rule makes of them");
    for (wish, (name, colour)) in wishes.iter().zip(NAMES.iter().zip(COLOURS)) {
        let at = place(&parts(wish));
        picture.circle(at, 6.0, colour, colour);
        let side = if *name == "checkers" { (12.0, "start") } else { (-12.0, "end") };
        picture.text(
            at.0 + side.0,
            at.1 + 5.0,
            side.1,
            &format!("what the {name} want{}", if *name == "agency" { "s" } else { "" }),
        );
    }
    let rules = [
        ("independent_markets", Some(Phantoms::IndependentMarkets)),
        ("ladder, piecewise_uniform", Some(Phantoms::Ladder)),
        ("utilitarian", Some(Phantoms::Utilitarian)),
        ("mean", None),
    ];
    for (row, (name, phantoms)) in (0u32..).zip(rules) {
        let agreed = match phantoms {
            None => weighted_mean(&ballots).unwrap(),
            Some(phantoms) => phantom::decide(phantoms, &ballots, &[0; 3]).unwrap(),
        };
        let at = place(&parts(&agreed));
        picture.cross(at, "#222");
        let label = (530.0, 120.0 + 26.0 * f64::from(row));
        picture.line(&format!(
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>",
            at.0,
            at.1,
            label.0 - 6.0,
            label.1 - 5.0
        ));
        picture.text(label.0, label.1, "start", name);
    }
    picture.compare_with("wishes.svg");
}

/// Each party's gain is a quadratic with a peak of its own.
fn gain(party: usize, lambda: &[f64]) -> f64 {
    let peaks = [[0.62, 0.25, 0.13], [0.2, 0.65, 0.15], [0.2, 0.15, 0.65]];
    let far: f64 = lambda.iter().zip(peaks[party]).map(|(a, b)| (a - b).powi(2)).sum();
    [0.22, 0.3, 0.26][party] - far
}

fn micro(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "of the order of a million")]
    let micro = (value * 1e6).round() as i64;
    micro
}

/// Candidates, of which some are a gain for all, and the one that is chosen.
#[test]
fn bargain() {
    let mut candidates = lattice(3).unwrap();
    let first = candidates.len();
    for _ in 0..2 {
        let models = (0..3).map(|party| {
            let scored: Vec<_> =
                candidates.iter().map(|it| (it, gain(party, &parts(it)))).collect();
            Model { weight: 1.0, disagreement: 0.0, scores: Quadratic::fit(&scored).unwrap() }
        });
        candidates.extend(suggest(&models.collect::<Vec<_>>(), &candidates, &[], 2));
    }
    let rows = candidates.iter().map(|it| Candidate { lambda: it.clone(), is_sound: true });
    let parties = (0..3).map(|party| Party {
        weight: 1,
        disagreement: 0,
        scores: candidates
            .iter()
            .map(|it| Score { micro: micro(gain(party, &parts(it))), accept: true })
            .collect(),
    });
    let table = Table::new(rows.collect(), parties.collect(), Vec::new()).unwrap();
    let even = Shares::from_weights(&[1, 1, 1]).unwrap();
    let decision = choose(&table, Rule::Nash, false, &even);

    let mut picture =
        Picture::of("Candidates on the simplex: where everybody gains, and what is chosen");
    for step in 0u32..=60 {
        for other in 0..=60 - step {
            let lambda = [f64::from(step), f64::from(other), f64::from(60 - step - other)]
                .map(|it| it / 60.0);
            if (0..3).all(|party| gain(party, &lambda) > 0.0) {
                picture.circle(place(&lambda), 3.4, "#cfe8df", "none");
            }
        }
    }
    for (number, candidate) in candidates.iter().enumerate() {
        let at = place(&parts(candidate));
        let fill = match () {
            () if decision.winner() == Some(number) => "#d99a00",
            () if decision.ranked.contains(&number) => "#0a7d6c",
            () => "#fff",
        };
        if number < first {
            picture.circle(at, 7.0, fill, "#222");
        } else {
            picture.diamond(at, fill);
        }
    }
    let legend: [(&str, Mark<'_>); 5] = [
        ("everybody gains over no deal", &|it, at| it.circle(at, 7.0, "#cfe8df", "none")),
        ("first candidate, a loss for somebody", &|it, at| it.circle(at, 7.0, "#fff", "#222")),
        ("first candidate, a gain for all", &|it, at| it.circle(at, 7.0, "#0a7d6c", "#222")),
        ("nominated after the first scores", &|it, at| it.diamond(at, "#0a7d6c")),
        ("chosen", &|it, at| it.diamond(at, "#d99a00")),
    ];
    for (row, (words, mark)) in (0u32..).zip(legend) {
        let y = 70.0 + 28.0 * f64::from(row);
        mark(&mut picture, (490.0, y));
        picture.text(506.0, y + 5.0, "start", words);
    }
    picture.compare_with("bargain.svg");
}
