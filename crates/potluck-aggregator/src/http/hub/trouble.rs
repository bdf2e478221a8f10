//! What cannot be answered, said as the Hub says it, so that its clients raise the right error and repeat our sentence.

use std::fmt::Display;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::revision::Commit;
use crate::http::access::Denied;

/// Whose commit an answer is of.
pub(super) const X_REPO_COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
const X_ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
const X_ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-error-message");

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    code: Option<&'static str>,
    sentence: String,
    commit: Option<Commit>,
}

impl Trouble {
    /// `code` is one of those that the clients know; `sentence` is shown to their user.
    pub(super) fn new(
        status: StatusCode,
        code: Option<&'static str>,
        sentence: impl Into<String>,
    ) -> Self {
        Self { status, code, sentence: sentence.into(), commit: None }
    }

    /// There is one repository, and this is not its name.
    pub(super) fn no_repository(repository: &str) -> Self {
        let sentence = format!("one repository is served here, and its name is {repository}");
        Self::new(StatusCode::NOT_FOUND, Some("RepoNotFound"), sentence)
    }

    /// No such revision.
    pub(super) fn no_revision(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Some("RevisionNotFound"), sentence)
    }

    /// No such file in a revision. Clients remember that of the commit.
    pub(super) fn no_file(path: &str, commit: Commit) -> Self {
        let sentence = format!("this revision has no {path}");
        let trouble = Self::new(StatusCode::NOT_FOUND, Some("EntryNotFound"), sentence);
        Self { commit: Some(commit), ..trouble }
    }

    /// What is there cannot be read; the reason is for our log.
    pub(super) fn broken(error: &dyn Display) -> Self {
        tracing::error!(%error, "a revision cannot be served");
        let sentence = "the aggregator cannot read what this revision is made of; its operator sees why in the log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None, sentence)
    }
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Self {
        Self::new(denied.status(), Some("GatedRepo"), denied.to_string())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        // A header holds ASCII, and clients show both texts unless they are the same.
        let ascii = |it: char| if it == 'λ' { "lambda".to_owned() } else { it.to_string() };
        let sentence: String = self.sentence.chars().map(ascii).collect();
        let sentence: String =
            sentence.chars().map(|it| if matches!(it, ' '..='~') { it } else { '?' }).collect();
        let body = json!({ "error": sentence }).to_string();
        let head = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        let mut response = (self.status, head, body).into_response();
        let headers = response.headers_mut();
        if let Ok(message) = HeaderValue::from_str(&sentence) {
            headers.insert(X_ERROR_MESSAGE, message);
        }
        if let Some(code) = self.code {
            headers.insert(X_ERROR_CODE, HeaderValue::from_static(code));
        }
        if let Some(commit) = self.commit {
            headers.insert(X_REPO_COMMIT, commit.header());
        }
        response
    }
}
