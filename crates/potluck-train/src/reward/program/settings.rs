//! What a recipe says about a program: what to run, how, and for how long.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::inputs::Files;
use super::super::keys::Keys;
use super::{LONGEST, Program};
use crate::bad_input::BadInput;

/// What every program finds in its environment, where we have it ourselves; nothing else.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// How a program is run.
#[derive(Debug)]
pub(super) struct Settings {
    /// What to run.
    pub(super) program: PathBuf,
    /// With which arguments.
    pub(super) args: Vec<OsString>,
    /// Where.
    pub(super) folder: PathBuf,
    /// Where its standard error goes.
    pub(super) log: PathBuf,
    /// The most samples a line.
    pub(super) batch: usize,
    /// How long it may think about a line.
    pub(super) timeout: Duration,
    /// How often in a row it is started again.
    pub(super) restarts: u32,
    /// The variables that the recipe lets through besides [`INHERITED`].
    environment: Vec<String>,
    /// The reward's name, for the log's.
    name: String,
    /// Whether the recipe says where the log is.
    has_own_log: bool,
}

impl Settings {
    fn parse(
        name: &str,
        command: Vec<OsString>,
        keys: &mut Keys,
        files: &Files,
        default_timeout: f64,
    ) -> Result<Self, BadInput> {
        let mut command = command.into_iter();
        let program = command.next().map(PathBuf::from).unwrap_or_default();
        let timeout = keys.number("timeout", default_timeout, 0.001..=LONGEST.as_secs_f64())?;
        let log = keys.text("log")?;
        Ok(Self {
            // A bare name is looked for on PATH, anything else from the recipe's folder.
            program: match program.components().count() {
                1 => program,
                _ => files.folder().join(program),
            },
            args: command.collect(),
            folder: files.folder().to_owned(),
            has_own_log: log.is_some(),
            log: files.folder().join(log.unwrap_or_else(|| log_name(name))),
            batch: keys.count("batch", 256, 1..=65_536)?,
            timeout: Duration::from_secs_f64(timeout),
            restarts: u32::try_from(keys.count("restarts", 3, 0..=1000)?).unwrap_or(u32::MAX),
            environment: environment(keys)?,
            name: name.to_owned(),
        })
    }

    /// Moves the log there, unless the recipe says where it is.
    pub(super) fn log_into(&mut self, folder: &Path) {
        if !self.has_own_log {
            self.log = folder.join(log_name(&self.name));
        }
    }

    /// The variables that the program finds, each as it is for us.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, OsString)> {
        let names = INHERITED.into_iter().chain(self.environment.iter().map(String::as_str));
        names.filter_map(|name| Some((name, std::env::var_os(name)?)))
    }
}

fn log_name(name: &str) -> String {
    format!("reward-{name}.log")
}

/// Names of variables to let through: a recipe holds no values of secrets.
fn environment(keys: &mut Keys) -> Result<Vec<String>, BadInput> {
    let names = keys.texts("env")?.unwrap_or_default();
    let is_name = |name: &&String| !is_variable(name);
    match names.iter().find(is_name) {
        Some(name) => Err(keys.fault(
            "env",
            format!("must list names of variables to let through, and has `{name}`"),
        )),
        None => Ok(names),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Program {
    /// `exec`: the recipe's own program. Arguments that name files are bound to the definition.
    pub(in crate::reward) fn exec(
        name: &str,
        keys: &mut Keys,
        files: &mut Files,
    ) -> Result<Self, BadInput> {
        let command = keys.texts("command")?.ok_or_else(|| keys.fault("command", "is missing"))?;
        if command.first().is_none_or(String::is_empty) {
            return Err(keys.fault("command", "is empty"));
        }
        command.iter().for_each(|argument| files.bind_if_any(argument));
        let command = command.into_iter().map(OsString::from).collect();
        Ok(Self::new(Settings::parse(name, command, keys, files, 180.0)?))
    }

    /// `http`: a program that speaks with an endpoint, `potluck reward-bridge` unless the recipe
    /// names another.
    pub(in crate::reward) fn http(
        name: &str,
        keys: &mut Keys,
        files: &mut Files,
    ) -> Result<Self, BadInput> {
        let url = keys.needed_text("url")?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(keys.fault("url", "must begin with http:// or https://"));
        }
        let mut command: Vec<OsString> = match keys.texts("command")? {
            Some(command) if command.is_empty() => return Err(keys.fault("command", "is empty")),
            Some(command) => command.into_iter().map(OsString::from).collect(),
            None => vec![beside("potluck").into(), "reward-bridge".into()],
        };
        let dialect =
            keys.choice("dialect", &[("potluck", "potluck"), ("openrlhf", "openrlhf")])?;
        let request_timeout = keys.number("request_timeout", 180.0, 0.001..=86_400.0)?;
        let retries = keys.count("retries", 5, 0..=100)?;
        command.extend(["--url".into(), url.into(), "--dialect".into(), dialect.into()]);
        command.extend(["--timeout".into(), request_timeout.to_string().into()]);
        command.extend(["--retries".into(), retries.to_string().into()]);
        if keys.flag("allow_remote", false)? {
            command.push("--allow-remote".into());
        }
        if dialect == "openrlhf"
            && let Some(column) = keys.text("label")?
        {
            command.extend(["--label".into(), column.into()]);
        }
        let headers = headers(keys)?;
        for (header, variable) in &headers {
            command.extend(["--header-env".into(), format!("{header}={variable}").into()]);
        }
        // Longer than the bridge can take with all its retries, which wait at most 30 s each.
        let patience = (request_timeout + 30.0) * (retries as f64 + 1.0);
        let mut settings = Settings::parse(name, command, keys, files, patience)?;
        settings.environment.extend(headers.into_iter().map(|(_, variable)| variable));
        Ok(Self::new(settings))
    }
}

/// `headers = {Authorization = "JUDGE_TOKEN"}`: names of headers, and of the variables with their values.
fn headers(keys: &mut Keys) -> Result<Vec<(String, String)>, BadInput> {
    let what = "must be a table of header names and names of variables";
    let Some(value) = keys.take("headers") else { return Ok(Vec::new()) };
    let toml::Value::Table(table) = value else { return Err(keys.fault("headers", what)) };
    let is_header = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let header = |(name, value): (String, toml::Value)| {
        let variable = value.as_str().filter(|it| is_variable(it) && is_header(&name));
        variable.map(|variable| (name.clone(), variable.to_owned()))
    };
    let headers: Option<Vec<_>> = table.into_iter().map(header).collect();
    headers.ok_or_else(|| keys.fault("headers", what))
}

/// A program that stands beside this one, or else on PATH, as cargo finds its subcommands.
fn beside(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|here| here.with_file_name(name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
