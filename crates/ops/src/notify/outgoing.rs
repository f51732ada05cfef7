//! A message on its way to one receiver: what is sent, and one attempt to.

use super::{Message, Receiver, chat, pager, webhook};
use crate::http::{Answer, Request, ask};
use crate::process::{self, Program, Setting};
use diagnostics::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One attempt takes no longer than this.
const ATTEMPT: Duration = Duration::from_secs(5);

/// What is sent. It holds what opens the receiver: not for output.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outgoing {
    /// A request.
    Post { address: String, headers: Vec<(String, String)>, body: String },
    /// The input of a program.
    Program {
        words: Vec<String>,
        directory: Option<PathBuf>,
        variables: Vec<(String, String)>,
        input: String,
    },
}

impl Outgoing {
    /// The message in the receiver's form; none where it does not care for such a one.
    pub(super) fn of(receiver: &Receiver, message: &Message) -> Option<Self> {
        let json = || vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let post = |address: &str, headers, body| Self::Post { address: address.to_owned(), headers, body };
        Some(match receiver {
            Receiver::Slack(address) => post(address.expose(), json(), chat::slack(message).to_string()),
            Receiver::Discord(address) => post(address.expose(), json(), chat::discord(message).to_string()),
            Receiver::Teams(address) => post(address.expose(), json(), chat::teams(message).to_string()),
            Receiver::PagerDuty { key, address } => {
                post(address, json(), pager::event(message, key)?.to_string())
            }
            Receiver::Webhook { address, key, template } => {
                let body = webhook::body(message, template.as_deref());
                post(address.expose(), webhook::headers(message, &body, key.as_ref()), body)
            }
            Receiver::Program(program) => Self::Program {
                words: program.words.clone(),
                directory: program.directory.clone(),
                variables: variables(message),
                input: webhook::body(message, None),
            },
        })
    }

    /// Sends it once; `over` ends a program.
    pub(super) fn attempt(&self, left: Duration, over: &AtomicBool) -> Result<(), Answer> {
        match self {
            Self::Post { address, headers, body } => {
                let request = Request { headers: headers.clone(), body: Some(body.clone().into_bytes()) };
                let answer = ask(address, &request, left.min(ATTEMPT));
                if answer.is_success() { Ok(()) } else { Err(answer) }
            }
            Self::Program { words, directory, variables, input } => {
                let program = Program { words: words.clone(), directory: directory.clone() };
                let setting = Setting {
                    variables: variables.clone(),
                    input: input.clone(),
                    output: None,
                    limit: left,
                    secrets: &[] as &[Secret],
                    stop: &|| over.load(Ordering::Relaxed),
                };
                // A program that has failed decides itself what repeating would help.
                process::run(&program, &setting).result().map(drop).map_err(Answer::Refused)
            }
        }
    }
}

fn variables(message: &Message) -> Vec<(String, String)> {
    let mut variables = vec![
        ("CUTOVER_EVENT".to_owned(), message.event.name().to_owned()),
        ("CUTOVER_TITLE".to_owned(), message.title.clone()),
        ("CUTOVER_RUN".to_owned(), message.run.clone()),
    ];
    if let Some(environment) = &message.environment {
        variables.push(("CUTOVER_ENVIRONMENT".to_owned(), environment.clone()));
    }
    variables
}
