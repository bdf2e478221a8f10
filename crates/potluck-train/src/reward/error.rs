//! Why a batch got no scores: which reward, which batch, and what came instead.

/// A batch that could not be scored; nothing may be trained on it.
#[derive(Debug, thiserror::Error)]
#[error("reward `{reward}` failed at step {step} on a batch of {samples}: {fault}")]
pub struct RewardError {
    /// The reward's name, or `rewards` for the list as a whole.
    pub reward: String,
    /// The step that asked.
    pub step: u64,
    /// How many samples the batch has.
    pub samples: usize,
    /// What went wrong.
    pub fault: Fault,
}

/// What went wrong with one reward on one batch.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A score that is no finite number, before or after weighting.
    #[error("sample {sample} got {score}, which is no finite number")]
    NotFinite {
        /// Its place in the batch, from 0.
        sample: usize,
        /// What it got.
        score: f64,
    },
    /// Another number of scores than there were samples.
    #[error("{wanted} scores were due and {got} came")]
    WrongCount {
        /// How many samples were asked about.
        wanted: usize,
        /// How many scores came.
        got: usize,
    },
    /// A sample without a score, where `unscored = "fail"`.
    #[error("sample {sample} got no score: {reason} (unscored = \"skip\" would leave it out)")]
    Unscored {
        /// Its place in the batch, from 0.
        sample: usize,
        /// Why.
        reason: String,
    },
    /// Not one score.
    #[error("not one sample of the batch got a score{}", .0.as_ref().map_or(String::new(), |reason| format!(": {reason}")))]
    NothingScored(Option<String>),
    /// A column of the data set that does not fit the rule.
    #[error("sample {sample}: {reason}")]
    Column {
        /// Its place in the batch, from 0.
        sample: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A program answered with something else than scores.
    #[error("the program's answer is not to be used: {reason}; it said `{said}`")]
    Answer {
        /// What is wrong with it.
        reason: String,
        /// How it begins.
        said: String,
    },
    /// A program could not be started, died, or took too long, more often than allowed.
    #[error("the program {what}, {tries} time(s) in a row{}", last_words(.stderr))]
    Program {
        /// What happened the last time.
        what: String,
        /// How often it was tried.
        tries: u32,
        /// The last lines of its standard error.
        stderr: Vec<String>,
    },
    /// The program or model says itself that it cannot score the batch.
    #[error("{0}")]
    Refused(String),
}

fn last_words(stderr: &[String]) -> String {
    if stderr.is_empty() {
        return "; it said nothing on standard error".to_owned();
    }
    format!("; its last words on standard error: {}", stderr.join(" | "))
}

/// Why a rule gives one sample no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unscored {
    /// The sample lacks what the rule looks at: left out where the recipe allows it.
    Absent(String),
    /// What is there is malformed: an error in any case.
    Unfit(String),
}
