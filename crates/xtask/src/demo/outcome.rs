//! What came out: the promises, whether they held, the summary for people and the object for scripts.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::front::{Point, Ppm, along, edges, heights};

/// How far below the chord a soup may lie, in shares of the range.
const TOLERANCE: f64 = 0.02;
/// The share of soups on an edge that must lie strictly above the chord.
const MOSTLY: f64 = 0.8;
/// How far below its chord a mixture of unrelated models lies at least.
const COLLAPSE: f64 = 0.2;
/// By how many standard errors an expert must beat the base.
const SURE: f64 = 3.0;

/// One party's expert against the base, on its own held-out reward.
pub(crate) struct Gain {
    /// The party.
    pub(crate) name: String,
    /// What its reward is called.
    pub(crate) reward: String,
    /// The base's mean.
    pub(crate) base: f64,
    /// The expert's mean.
    pub(crate) expert: f64,
    /// The standard error of the difference, over the same prompts.
    pub(crate) se: f64,
}

/// The control: an expert from another base, mixed in by hand.
pub(crate) struct Control {
    /// The height of the even mixture above the chord of its two models, in shares of the range.
    pub(crate) height: f64,
}

/// Everything that the story produced.
pub(crate) struct Outcome {
    /// One a party.
    pub(crate) gains: Vec<Gain>,
    /// All soups evaluated.
    pub(crate) front: Vec<Point>,
    /// Told in full only.
    pub(crate) control: Option<Control>,
    /// What the ledger derived.
    pub(crate) agreement: (Ppm, String),
    /// BLAKE3 of the published soup, and of the auditor's.
    pub(crate) soup: (String, String),
    /// How many entries the auditor verified; nothing where its verdict was against us.
    pub(crate) audited: Option<u64>,
    /// What was tried, and by which code it was refused.
    pub(crate) refused: Vec<Refused>,
    /// Wall time by step.
    pub(crate) seconds: BTreeMap<String, f64>,
}

/// One attack that was refused.
pub(crate) struct Refused {
    /// What was tried.
    pub(crate) case: &'static str,
    /// The code that came back; empty where it was let through.
    pub(crate) code: String,
    /// The code that belongs to it.
    pub(crate) expected: &'static str,
    /// Whether the ledger stood as before.
    pub(crate) unchanged: bool,
}

/// The shape of one edge.
pub(crate) struct Shape {
    /// The edge, as text.
    pub(crate) edge: String,
    /// The lowest height of an inner soup, in shares of the range.
    pub(crate) lowest: f64,
    /// The share of inner soups strictly above the chord.
    pub(crate) above: f64,
}

impl Shape {
    fn holds(&self) -> bool {
        self.lowest >= -TOLERANCE && self.above >= MOSTLY
    }
}

/// The shapes of all edges.
///
/// # Errors
/// When two experts do not trade.
pub(crate) fn shapes(parties: &[&str], points: &[Point]) -> Result<Vec<Shape>> {
    let shape = |edge: (&str, &str)| {
        let heights = heights(&along(points, edge), edge)?;
        let above = heights.iter().filter(|height| **height > 0.0).count();
        Ok(Shape {
            edge: format!("{}–{}", edge.0, edge.1),
            lowest: heights.iter().copied().fold(f64::INFINITY, f64::min),
            above: above as f64 / heights.len() as f64,
        })
    };
    edges(parties).into_iter().map(shape).collect()
}

impl Outcome {
    /// Checks every promise; `shapes` are judged only where they are given.
    ///
    /// # Errors
    /// With all promises that did not hold.
    pub(crate) fn judge(&self, shapes: Option<&[Shape]>) -> Result<()> {
        let mut broken = Vec::new();
        for gain in &self.gains {
            if gain.expert - gain.base < SURE * gain.se {
                broken.push(format!("the expert of {} does not beat the base surely", gain.name));
            }
        }
        if self.soup.0 != self.soup.1 || self.soup.0.is_empty() {
            broken.push("the recomputed soup is not the published one".to_owned());
        }
        if self.audited.is_none() {
            broken.push("the audit failed".to_owned());
        }
        for refused in &self.refused {
            if refused.code != refused.expected {
                let got = if refused.code.is_empty() { "success" } else { &refused.code };
                broken.push(format!("{}: {got} instead of {}", refused.case, refused.expected));
            }
            if !refused.unchanged {
                broken.push(format!("{}: the ledger changed", refused.case));
            }
        }
        for shape in shapes.unwrap_or_default().iter().filter(|shape| !shape.holds()) {
            broken.push(format!("the front {} does not lie above its chord", shape.edge));
        }
        if self.control.as_ref().is_some_and(|control| control.height > -COLLAPSE) {
            broken.push("mixing in an expert of another base did no harm".to_owned());
        }
        if broken.is_empty() {
            Ok(())
        } else {
            bail!("not all promises held: {}", broken.join("; "))
        }
    }

    /// The object for scripts.
    pub(crate) fn json(&self, shapes: &[Shape]) -> Value {
        let gain = |gain: &Gain| {
            json!({"name": gain.name, "reward": gain.reward, "base": gain.base, "expert": gain.expert,
                   "se": gain.se})
        };
        let refused = |refused: &Refused| json!({"case": refused.case, "code": refused.code});
        let shape = |shape: &Shape| json!({"edge": shape.edge, "lowest": shape.lowest, "above": shape.above, "holds": shape.holds()});
        json!({
            "parties": self.gains.iter().map(gain).collect::<Vec<_>>(),
            "front": self.front,
            "shapes": shapes.iter().map(shape).collect::<Vec<_>>(),
            "control": self.control.as_ref().map(|control| json!({"height": control.height})),
            "agreement": {"lambda_ppm": self.agreement.0, "rule": self.agreement.1},
            "soup": {"blake3": self.soup.0, "recomputed_blake3": self.soup.1},
            "audit": {"ok": self.audited.is_some(), "entries": self.audited.unwrap_or(0)},
            "refused": self.refused.iter().map(refused).collect::<Vec<_>>(),
            "seconds": self.seconds,
        })
    }

    /// The end of the story for people.
    pub(crate) fn print(&self, shapes: &[Shape]) {
        println!("\nSummary");
        for gain in &self.gains {
            println!(
                "  {:<9} {:<13} base {:>7.3}  expert {:>7.3}  gain {:+.3} ± {:.3}",
                gain.name,
                gain.reward,
                gain.base,
                gain.expert,
                gain.expert - gain.base,
                gain.se
            );
        }
        for shape in shapes {
            println!(
                "  front {:<17} {:>3.0} % of the soups above the chord, lowest {:+.1} % of the range",
                shape.edge,
                shape.above * 100.0,
                shape.lowest * 100.0
            );
        }
        match &self.control {
            Some(control) => println!(
                "  control: half an expert of another base lies {:.0} % of the range below its chord",
                -control.height * 100.0
            ),
            None => println!("  control: told by the full demo, which pretrains a second base"),
        }
        for refused in &self.refused {
            println!("  refused {:<44} {}", refused.case, refused.code);
        }
        let total: f64 = self.seconds.values().sum();
        println!("  {total:.0} seconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            gains: vec![Gain {
                name: "a".into(),
                reward: "r".into(),
                base: 0.0,
                expert: 0.4,
                se: 0.1,
            }],
            front: vec![],
            control: Some(Control { height: -0.5 }),
            agreement: (Ppm::new(), "mean".into()),
            soup: ("d".into(), "d".into()),
            audited: Some(3),
            refused: vec![Refused { case: "c", code: "x".into(), expected: "x", unchanged: true }],
            seconds: BTreeMap::new(),
        }
    }

    #[test]
    fn a_good_story_is_let_through() {
        outcome().judge(Some(&[Shape { edge: "a–b".into(), lowest: -0.01, above: 0.9 }])).unwrap();
    }

    #[test]
    fn each_broken_promise_is_named() {
        type Breakage = fn(&mut Outcome);
        let broken: [(Breakage, &str); 6] = [
            (|o| o.gains[0].se = 0.2, "does not beat"),
            (|o| o.soup.1 = "e".into(), "recomputed"),
            (|o| o.audited = None, "audit"),
            (|o| o.refused[0].code = String::new(), "success instead of x"),
            (|o| o.refused[0].unchanged = false, "ledger changed"),
            (|o| o.control = Some(Control { height: 0.0 }), "did no harm"),
        ];
        for (breakage, words) in broken {
            let mut outcome = outcome();
            breakage(&mut outcome);
            let error = outcome.judge(None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let bent = [Shape { edge: "a–b".into(), lowest: -0.03, above: 0.9 }];
        assert!(outcome().judge(Some(&bent)).is_err());
    }
}
