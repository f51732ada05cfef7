//! A web server that keeps what it is sent, and misbehaves as it is told to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers with this status.
    Status(u16),
    /// The same, and names a time to come back after, in seconds.
    RetryAfter(u16, u64),
    /// Sends to another path of itself.
    Redirect(&'static str),
    /// Writes this, and closes.
    Raw(&'static [u8]),
    /// Closes before anything is read.
    Close,
    /// Reads, and closes without an answer.
    Swallow,
    /// Reads, and says nothing for ever.
    Hang,
    /// Answers after this time.
    Slow(Duration),
}

/// What it was sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /hook`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it is text.
    pub body: String,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[derive(Default)]
struct State {
    kept: Mutex<(VecDeque<Answer>, Vec<Request>, usize)>,
    changed: Condvar,
}

/// The server. It ends with the process.
pub struct Server {
    address: String,
    state: Arc<State>,
}

impl Server {
    /// Begins to listen. The answers are given in this order; the last one is given again.
    pub fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(State::default());
        state.kept.lock().unwrap_or_else(PoisonError::into_inner).0.extend(answers.iter().cloned());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A client that goes away is its own affair.
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Self { address, state }
    }

    /// The address of a path of it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// What it was sent until now.
    pub fn requests(&self) -> Vec<Request> {
        self.state.kept.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// How many have connected until now.
    pub fn connections(&self) -> usize {
        self.state.kept.lock().unwrap_or_else(PoisonError::into_inner).2
    }

    /// Waits until it was sent so many.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        let kept = self.state.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Duration::from_secs(60);
        let (kept, timeout) = self
            .state
            .changed
            .wait_timeout_while(kept, limit, |kept| kept.1.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} of {count} requests came", kept.1.len());
        kept.1.clone()
    }
}

fn next(state: &State) -> Answer {
    let mut kept = state.kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.2 += 1;
    let answer = if kept.0.len() > 1 { kept.0.pop_front() } else { kept.0.front().cloned() };
    answer.unwrap_or(Answer::Status(200))
}

fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let answer = next(state);
    if matches!(answer, Answer::Close) {
        return stream.shutdown(std::net::Shutdown::Both);
    }
    let request = read(stream)?;
    state.kept.lock().unwrap_or_else(PoisonError::into_inner).1.push(request);
    state.changed.notify_all();
    let mut stream = stream;
    let status = |code: u16, more: &str| {
        format!("HTTP/1.1 {code} Whatever\r\nContent-Length: 2\r\nConnection: close\r\n{more}\r\nok")
    };
    match answer {
        Answer::Status(code) => stream.write_all(status(code, "").as_bytes()),
        Answer::RetryAfter(code, seconds) => {
            stream.write_all(status(code, &format!("Retry-After: {seconds}\r\n")).as_bytes())
        }
        Answer::Redirect(path) => stream.write_all(status(307, &format!("Location: {path}\r\n")).as_bytes()),
        Answer::Raw(bytes) => stream.write_all(bytes),
        Answer::Slow(time) => {
            std::thread::sleep(time);
            stream.write_all(status(200, "").as_bytes())
        }
        Answer::Hang => loop {
            std::thread::park();
        },
        Answer::Close | Answer::Swallow => Ok(()),
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = line.rsplit_once(" HTTP").map_or(line.as_str(), |(line, _)| line).to_owned();
    Ok(Request { line, headers, body: String::from_utf8_lossy(&body).into_owned(), bytes: body })
}
