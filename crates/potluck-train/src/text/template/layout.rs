//! Where a folder keeps its chat templates, in the order in which `transformers` 5.24 looks for them.
//!
//! ```text
//! chat_template.jinja                      "default"             both go before, and replace,
//! additional_chat_templates/NAME.jinja     NAME
//! tokenizer_config.json, "chat_template"   "default", or a list of named ones
//! chat_template.json, "chat_template"      "default", where nothing else stands
//! ```
//!
//! The first three are `PreTrainedTokenizerBase._from_pretrained`'s. The last is an older file of processors
//! (`ProcessorMixin.get_processor_dict`), which lies in folders of models that see pictures, too; a tokenizer that is opened by
//! itself does not look at it, and has no template then.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::folder::{self, MAX_OTHER};
use crate::bad_input::BadInput;

/// The folder of the named ones.
pub(crate) const FOLDER: &str = "additional_chat_templates";

/// The most templates of a folder that are read.
const MOST: usize = 64;

/// A template and where it stands.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) source: String,
}

/// A folder's templates, by name.
#[derive(Debug, Default)]
pub(super) struct Layout(BTreeMap<String, Source>);

impl Layout {
    /// Reads them; there may be none.
    pub(super) fn read(folder: &Path) -> Result<Self, BadInput> {
        let mut found = Self::default();
        found.add_file("default", folder.join("chat_template.jinja"))?;
        for (name, path) in additional(&folder.join(FOLDER))? {
            found.add_file(&name, path)?;
        }
        if found.is_empty() {
            found.add_config(folder.join("tokenizer_config.json"))?;
        }
        if found.is_empty() {
            found.add_config(folder.join("chat_template.json"))?;
        }
        Ok(found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }

    fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// In the place of a default that is not there: whoever has no conversations need not choose.
    pub(super) fn undecided(&self, folder: &Path) -> Source {
        let reason =
            format!("none is called \"default\": name one of {} as chat_template", self.names());
        let source = format!("{{{{ raise_exception({}) }}}}", Value::from(reason));
        Source { path: folder.to_owned(), source }
    }

    /// That no template has that name.
    pub(super) fn lacks(&self, folder: &Path, name: &str) -> BadInput {
        let reason = match self.is_empty() {
            true => format!("it has no chat template, so none is called {name:?}"),
            false => format!("no chat template is called {name:?}; there are {}", self.names()),
        };
        BadInput::file(folder, &reason)
    }

    fn add_file(&mut self, name: &str, path: PathBuf) -> Result<(), BadInput> {
        if let Some(bytes) = folder::read(&path, MAX_OTHER)? {
            let source = String::from_utf8(bytes).map_err(|it| BadInput::file(&path, &it))?;
            self.0.insert(name.to_owned(), Source { path, source });
        }
        Ok(())
    }

    /// What a JSON file has under `chat_template`: one text, or a list of named ones.
    fn add_config(&mut self, path: PathBuf) -> Result<(), BadInput> {
        let config = folder::object(&path)?;
        let refused =
            || BadInput::file(&path, &"chat_template must be a text or a list of named ones");
        let named = match config.get("chat_template") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(text)) => vec![("default", text.as_str())],
            Some(Value::Array(list)) if list.len() <= MOST => {
                list.iter().map(named).collect::<Option<_>>().ok_or_else(refused)?
            }
            Some(_) => return Err(refused()),
        };
        for (name, source) in named {
            let source = Source { path: path.clone(), source: source.to_owned() };
            self.0.insert(name.to_owned(), source);
        }
        Ok(())
    }
}

/// One of a list of templates.
fn named(it: &Value) -> Option<(&str, &str)> {
    Some((it["name"].as_str()?, it["template"].as_str()?))
}

/// The files of the folder of named templates, in order of their names.
fn additional(folder: &Path) -> Result<BTreeMap<String, PathBuf>, BadInput> {
    let failed = |error: io::Error| BadInput::file(folder, &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name =
            path.file_name().and_then(|it| it.to_str()).and_then(|it| it.strip_suffix(".jinja"));
        if let Some(name) = name {
            found.insert(name.to_owned(), path.clone());
        }
        if found.len() > MOST {
            return Err(BadInput::file(folder, &format!("it has more than {MOST} templates")));
        }
    }
    Ok(found)
}
