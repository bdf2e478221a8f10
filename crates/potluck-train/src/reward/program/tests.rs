//! Real children: shells and Pythons that behave, and such that do not.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, json};

use super::super::{Fault, RewardError, Rewards, Sample, Scored};

/// Far more than any machine needs.
const LIMIT: Duration = Duration::from_secs(120);

/// A Python that scores by length, with `body` run for each request `r`.
fn python(body: &str) -> String {
    let indented = body.replace('\n', "\n    ");
    format!(
        "import json, os, sys, time\n\
         def say(**answer): print(json.dumps(answer), flush=True)\n\
         for line in sys.stdin:\n    r = json.loads(line)\n    \
         scores = [len(c) / 10 for c in r['completions']]\n    {indented}\n"
    )
}

/// A list of one program, which stands in `folder` as `score.py`.
fn program(folder: &Path, body: &str, keys: &str) -> Rewards {
    fs::write(folder.join("score.py"), python(body)).unwrap();
    open(folder, &format!("command = ['python3', 'score.py']\n{keys}"))
}

fn open(folder: &Path, keys: &str) -> Rewards {
    let text = format!("[[reward]]\nname = 'judge'\nkind = 'exec'\n{keys}");
    let table: toml::Table = text.parse().unwrap();
    Rewards::parse(&table["reward"], folder).unwrap()
}

fn score(rewards: &mut Rewards, texts: &[&str]) -> Result<Scored, RewardError> {
    let columns = Map::new();
    let samples: Vec<_> = texts
        .iter()
        .map(|completion| Sample {
            prompt: "p",
            conversation: None,
            completion,
            tokens: 1,
            is_finished: true,
            columns: &columns,
        })
        .collect();
    rewards.score(12, &samples)
}

const GOOD: &str = "say(id=r['id'], rewards=scores)";

#[test]
fn it_is_started_once_and_asked_in_portions() {
    let folder = tempfile::tempdir().unwrap();
    let body = "say(id=r['id'], rewards=scores, metrics={'pid': os.getpid(), 'n': len(scores)})";
    let mut rewards = program(folder.path(), body, "batch = 2");
    let first = score(&mut rewards, &["a", "bb", "ccc"]).unwrap();
    assert_eq!(first.total, [Some(0.1), Some(0.2), Some(0.3)]);
    // 2 and 1 samples: the mean over samples is (2 · 2 + 1 · 1) / 3.
    assert!((first.parts[0].metrics["n"] - 5.0 / 3.0).abs() < 1e-12);
    let second = score(&mut rewards, &["dddd"]).unwrap();
    assert_eq!(second.total, [Some(0.4)]);
    let pid = |scored: &Scored| scored.parts[0].metrics["pid"];
    assert!((pid(&first) - pid(&second)).abs() < 1e-6);
}

#[test]
fn it_sees_the_whole_row() {
    let folder = tempfile::tempdir().unwrap();
    let body = "open('seen.json', 'w').write(line)\nsay(id=r['id'], rewards=[None, 2])";
    let mut rewards = program(folder.path(), body, "unscored = 'skip'\nweight = 0.5");
    let columns = json!({"label": ["é", 1.5]});
    let none = Map::new();
    let first = Sample {
        prompt: "p\u{2028}",
        conversation: None,
        completion: "c",
        tokens: 1,
        is_finished: false,
        columns: columns.as_object().unwrap(),
    };
    let second = Sample {
        prompt: "q",
        conversation: None,
        completion: "d",
        tokens: 1,
        is_finished: true,
        columns: &none,
    };
    let scored = rewards.score(12, &[first, second]).unwrap();
    assert_eq!(scored.total, [None, Some(1.0)]);
    assert_eq!(scored.parts[0].unscored, 1);
    let seen = fs::read_to_string(folder.path().join("seen.json")).unwrap();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        seen,
        json!({
            "v": 1, "id": 1, "step": 12, "prompts": ["p\u{2028}", "q"], "completions": ["c", "d"],
            "finished": [false, true], "columns": {"label": [["é", 1.5], null]},
        })
    );
}

#[test]
fn large_batches_do_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut rewards = program(folder.path(), GOOD, "batch = 3");
    let long = "x".repeat(1 << 20);
    let texts = vec![long.as_str(); 10];
    let scored = score(&mut rewards, &texts).unwrap();
    assert_eq!(scored.total, vec![Some(f64::from(1 << 20) / 10.0); 10]);
}

#[test]
fn one_that_dies_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!(
        "if r['id'] == 2 and not os.path.exists('died'):\n    open('died', 'w')\n    os._exit(3)\n{GOOD}"
    );
    let mut rewards = program(folder.path(), &body, "restarts = 1");
    assert_eq!(score(&mut rewards, &["a"]).unwrap().total, [Some(0.1)]);
    assert_eq!(score(&mut rewards, &["aa"]).unwrap().total, [Some(0.2)]);
    assert!(folder.path().join("died").exists());
}

#[test]
fn one_that_keeps_dying_is_given_up_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let body = "print('no', 'luck', file=sys.stderr)\nos._exit(3)";
    let mut rewards = program(folder.path(), body, "restarts = 2");
    let error = score(&mut rewards, &["a"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reward `judge` failed at step 12 on a batch of 1: the program stopped without an answer \
         and ended with exit code 3, 3 time(s) in a row; its last words on standard error: no luck"
    );
    let log = fs::read_to_string(folder.path().join("reward-judge.log")).unwrap();
    assert_eq!(log, "no luck\n".repeat(3));
}

#[test]
fn the_log_goes_where_the_run_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run/logs");
    let body = format!("print('hello', file=sys.stderr, flush=True)\n{GOOD}");
    let mut rewards = program(folder.path(), &body, "");
    rewards.log_into(&run);
    score(&mut rewards, &["a"]).unwrap();
    // The line reaches the log through a thread of its own.
    let begun = Instant::now();
    let log = run.join("reward-judge.log");
    while fs::read_to_string(&log).unwrap() != "hello\n" {
        assert!(begun.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!folder.path().join("reward-judge.log").exists());
}

#[test]
fn one_that_hangs_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        r#"[ -e hung ] || { touch hung; sleep 1000; }; echo "{\"id\":1,\"rewards\":[0.1]}""#;
    let keys = format!("command = ['sh', '-c', '{script}']\ntimeout = 5\nrestarts = 1");
    let mut rewards = open(folder.path(), &keys);
    assert_eq!(score(&mut rewards, &["a"]).unwrap().total, [Some(0.1)]);
    assert!(folder.path().join("hung").exists());
    let mut rewards =
        open(folder.path(), "command = ['sleep', '1000']\ntimeout = 0.1\nrestarts = 0");
    let error = score(&mut rewards, &["a"]).unwrap_err().to_string();
    assert!(error.contains("the program gave no answer within 0.1 s, 1 time(s)"), "{error}");
}

#[test]
fn half_a_line_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let body = "sys.stdout.write('{\"id\":1,\"rew')\nsys.stdout.flush()\nos._exit(0)";
    let mut rewards = program(folder.path(), body, "restarts = 0");
    let error = score(&mut rewards, &["a"]).unwrap_err().to_string();
    assert!(
        error.contains("stopped in the middle of an answer and ended with exit code 0"),
        "{error}"
    );
    assert!(error.contains("it said nothing on standard error"), "{error}");
}

#[test]
fn one_that_floods_is_stopped_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut rewards = open(folder.path(), "command = ['sh', '-c', 'cat /dev/zero']\nrestarts = 0");
    let error = score(&mut rewards, &["a"]).unwrap_err().to_string();
    assert!(error.contains("wrote a line of more than 16777216 bytes"), "{error}");
    // Lines without end are not read ahead: the first one is no answer, and that is that.
    let mut rewards = open(folder.path(), "command = ['yes']\nrestarts = 0");
    let error = score(&mut rewards, &["a"]).unwrap_err();
    assert!(matches!(&error.fault, Fault::Answer { said, .. } if said == "y"), "{error}");
}

#[test]
fn wrong_answers_fail_the_batch_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (body, fault) in [
        ("say(id=r['id'] + 1, rewards=scores)", "it answers 2, and 1 was asked"),
        ("say(id=r['id'], rewards=scores[1:])", "2 scores were due and 1 came"),
        ("say(id=r['id'], rewards=[])", "2 scores were due and 0 came"),
        ("say(id=r['id'], rewards=[1, float('nan')])", "NaN and Infinity are no JSON"),
        ("say(id=r['id'], rewards=[1, None])", "sample 1 got no score: the answer has null"),
        ("say(id=r['id'], error='the key is spent')", "the program says: the key is spent"),
        ("print('loading', flush=True)", "it said `loading`"),
    ] {
        // A thousand restarts would show: none of these is tried again.
        let mut rewards = program(folder.path(), body, "restarts = 1000");
        let error = score(&mut rewards, &["a", "b"]).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    let mut rewards =
        program(folder.path(), "say(id=r['id'], rewards=[None, None])", "unscored = 'skip'");
    let error = score(&mut rewards, &["a", "b"]).unwrap_err();
    assert_eq!(error.fault, Fault::NothingScored(None));
}

#[test]
fn after_an_error_the_next_batch_is_scored_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let body = "if 'bad' in r['completions']:\n    say(id=0, rewards=scores)\nelse:\n    say(id=r['id'], rewards=scores)";
    let mut rewards = program(folder.path(), body, "batch = 1");
    score(&mut rewards, &["bad", "a"]).unwrap_err();
    assert_eq!(score(&mut rewards, &["aa", "a"]).unwrap().total, [Some(0.2), Some(0.1)]);
}

#[test]
fn programs_work_while_rules_are_computed_and_are_dropped_with_a_failed_batch() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("score.py"), python(GOOD)).unwrap();
    let text = "[[reward]]\nname = 'fails'\nkind = 'exact'\ncolumn = 'answer'\n\
        [[reward]]\nname = 'judge'\nkind = 'exec'\ncommand = ['python3', 'score.py']";
    let table: toml::Table = text.parse().unwrap();
    let mut rewards = Rewards::parse(&table["reward"], folder.path()).unwrap();
    assert_eq!(score(&mut rewards, &["a"]).unwrap_err().reward, "fails");
    let columns = json!({"answer": "a"});
    let columns = columns.as_object().unwrap();
    let sample = Sample {
        prompt: "",
        conversation: None,
        completion: "a",
        tokens: 1,
        is_finished: true,
        columns,
    };
    assert_eq!(rewards.score(13, &[sample]).unwrap().total, [Some(1.1)]);
}

#[test]
fn what_cannot_be_started_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["no-such-program-of-ours", "./no-such-program"] {
        let mut rewards = open(folder.path(), &format!("command = ['{command}']\nrestarts = 1"));
        let error = score(&mut rewards, &["a"]).unwrap_err().to_string();
        assert!(
            error.contains("cannot be started") && error.contains("no-such-program"),
            "{error}"
        );
        assert!(error.contains("2 time(s)"), "{error}");
    }
}

#[test]
fn only_named_variables_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    // Cargo sets these for every test.
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == "potluck-train"));
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let command =
        r#"command = ['sh', '-c', 'env | cut -d= -f1 > seen; echo "{\"id\":1,\"rewards\":[1]}"']"#;
    let keys = format!("{command}\nenv = ['CARGO_PKG_NAME', 'NOT_SET_ANYWHERE']");
    let mut rewards = open(folder.path(), &keys);
    score(&mut rewards, &["a"]).unwrap();
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap();
    // A shell adds the last four of its own accord.
    let expected =
        ["CARGO_PKG_NAME", "HOME", "LANG", "PATH", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(seen.lines().all(|name| expected.contains(&name)), "{seen}");
    assert!(seen.contains("CARGO_PKG_NAME") && seen.contains("PATH"));
}

#[test]
fn what_it_started_dies_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let body = "import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))\n\
        say(id=r['id'], rewards=scores)";
    let mut rewards = program(folder.path(), body, "");
    score(&mut rewards, &["a"]).unwrap();
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let lives = || {
        // One that nobody has waited for is dead too.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    };
    assert!(lives());
    drop(rewards);
    let begun = Instant::now();
    while lives() {
        assert!(begun.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bad_keys_are_refused() {
    for (keys, fault) in [
        ("", "command is missing"),
        ("command = []", "command is empty"),
        ("command = 'python3 score.py'", "command must be a list of texts"),
        ("command = ['a']\ntimeout = 0", "timeout must be"),
        ("command = ['a']\nbatch = 0", "batch must be"),
        ("command = ['a']\nrestarts = -1", "restarts must be"),
        ("command = ['a']\nenv = ['KEY=value']", "env must list names of variables"),
        ("command = ['a']\nurl = 'http://localhost'", "url is not a key"),
    ] {
        let table: toml::Table = format!("[[reward]]\nkind = 'exec'\n{keys}").parse().unwrap();
        let error = Rewards::parse(&table["reward"], Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("reward[1] (`exec`)") && error.contains(fault), "{error}");
    }
}

#[test]
fn an_endpoint_is_reached_through_a_helper() {
    let folder = tempfile::tempdir().unwrap();
    let open = |keys: &str| {
        let text = format!("[[reward]]\nkind = 'http'\n{keys}");
        Rewards::parse(&text.parse::<toml::Table>().unwrap()["reward"], folder.path())
    };
    for (keys, fault) in [
        ("", "url is missing"),
        ("url = 'ftp://localhost'", "url must begin with"),
        ("url = 'http://localhost'\ndialect = 'trl'", "dialect must be one of"),
        (
            "url = 'http://localhost'\nheaders = {Authorization = 'Bearer secret'}",
            "headers must be",
        ),
        ("url = 'http://localhost'\nlabel = 'a'", "label is not a key"),
        ("url = 'http://localhost'\ncommand = []", "command is empty"),
    ] {
        let error = open(keys).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    let helper = "import json, sys\nfor line in sys.stdin:\n    r = json.loads(line)\n    \
        print(json.dumps({'id': r['id'], 'rewards': [len(sys.argv)] * len(r['prompts'])}), flush=True)\n    \
        json.dump(sys.argv[1:], open('args', 'w'))\n";
    fs::write(folder.path().join("helper.py"), helper).unwrap();
    let mut rewards = open(
        "command = ['python3', 'helper.py']\nurl = 'https://judge.example/score'\n\
         dialect = 'openrlhf'\nlabel = 'answer'\nallow_remote = true\nretries = 2\nrequest_timeout = 1.5\n\
         headers = {X-Token = 'CARGO_PKG_NAME'}",
    )
    .unwrap();
    let expected = [
        "--url",
        "https://judge.example/score",
        "--dialect",
        "openrlhf",
        "--timeout",
        "1.5",
        "--retries",
        "2",
        "--allow-remote",
        "--label",
        "answer",
        "--header-env",
        "X-Token=CARGO_PKG_NAME",
    ];
    let scored = score(&mut rewards, &["a"]).unwrap();
    assert_eq!(scored.total, [Some(expected.len() as f64 + 1.0)]);
}

/// What `configs/training/wrap_reward.py` makes of a function, for two samples with their columns.
fn wrapped(style: &str, function: &str) -> Result<Scored, RewardError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.py"), function).unwrap();
    let adapter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training/wrap_reward.py");
    let adapter = adapter.canonicalize().unwrap();
    let keys = format!("command = ['python3', '{}', '{style}', 'mine.py:f']", adapter.display());
    let mut rewards = open(folder.path(), &format!("{keys}\nunscored = 'skip'\nrestarts = 0"));
    let rows = [
        json!({"label": "a", "ground_truth": "a", "data_source": "s", "extra_info": {"n": 1}}),
        json!({"label": "x", "ground_truth": "x", "data_source": "s", "extra_info": {"n": 2}}),
    ];
    let samples: Vec<_> = rows
        .iter()
        .zip(["a", "bb"])
        .map(|(row, completion)| Sample {
            prompt: "p",
            conversation: None,
            completion,
            tokens: 1,
            is_finished: true,
            columns: row.as_object().unwrap(),
        })
        .collect();
    rewards.score(12, &samples)
}

#[test]
fn the_adapter_wraps_functions_of_trl_verl_and_openrlhf() {
    let total = |style, function: &str| wrapped(style, function).unwrap().total;
    let trl = "def f(prompts, completions, label, log_metric, **kwargs):\n    \
        print('hello')\n    log_metric('share', 0.5)\n    \
        return [1 if c == l else None for c, l in zip(completions, label)]\n";
    let scored = wrapped("trl", trl).unwrap();
    assert_eq!(scored.total, [Some(1.0), None]);
    assert_eq!(scored.parts[0].metrics["share"], 0.5);
    let asynchronous =
        "async def f(completions, **kwargs):\n    return [len(c) for c in completions]\n";
    assert_eq!(total("trl", asynchronous), [Some(1.0), Some(2.0)]);
    let chat =
        "def f(completions, **kwargs):\n    return [len(c[0]['content']) for c in completions]\n";
    assert_eq!(total("trl-chat", chat), [Some(1.0), Some(2.0)]);
    let verl = "def f(data_source, solution_str, ground_truth, extra_info=None):\n    \
        return {'score': extra_info['n'] + (solution_str == ground_truth)}\n";
    assert_eq!(total("verl", verl), [Some(2.0), Some(2.0)]);
    let openrlhf = "def f(queries, prompts, labels, **kwargs):\n    \
        return {'rewards': [q == p + l for q, p, l in zip(queries, prompts, labels)]}\n";
    assert_eq!(total("openrlhf", openrlhf), [Some(1.0), Some(0.0)]);
    let error = wrapped("trl", "def f(**kwargs):\n    raise ValueError('no model')\n").unwrap_err();
    assert!(error.to_string().contains("ValueError: no model"), "{error}");
    let error = wrapped("trl", "def f(**kwargs):\n    return [0, float('inf')]\n").unwrap_err();
    assert!(error.to_string().contains("NaN and Infinity are no JSON"), "{error}");
}
