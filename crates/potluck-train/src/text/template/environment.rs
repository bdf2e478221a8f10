//! The engine with what `transformers` gives its templates, and limits.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::generation::{self, FILTER};
use super::printing::{self, Style};
use super::strftime::{self, Date};

/// Steps of the engine for one conversation: long ones take some ten thousand. A step also pays for
/// 64 bytes of text, so this is 128 MB of it at most.
const FUEL: u64 = 2_000_000;

/// Calls within calls: macros of templates go two or three deep.
const DEPTH: usize = 64;

/// An environment without any template.
pub(super) fn new(today: Option<Date>) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.set_formatter(|out, _, value| {
        out.write_str(&printing::display(value)).map_err(|error| {
            Error::new(ErrorKind::WriteFailure, "the text cannot be written").with_source(error)
        })
    });
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.add_filter(FILTER, generation::mark);
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: &Value| printing::display(value));
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", move |format: String| -> Result<String, Error> {
        let refused = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
        let today = today.ok_or_else(|| {
            refused(
                "it asks for today's date; give the run one, so that it reads the same tomorrow"
                    .into(),
            )
        })?;
        strftime::format(today, &format).map_err(refused)
    });
    environment
}

/// `json.dumps` with the arguments that `transformers` passes on.
fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<usize>>("indent")?,
    };
    let separators: Option<Vec<String>> = options.get("separators")?;
    let style = Style {
        indent,
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        separators: match separators.as_deref() {
            None => None,
            Some([item, key]) => Some((item.clone(), key.clone())),
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "separators must be two texts",
                ));
            }
        },
    };
    options.assert_all_used()?;
    printing::json(value, &style)
}
