//! Cutting a byte stream into PostgreSQL's messages.

use super::rule::{Kind, Message};
use std::io::{self, Read};

/// Codes in the place of a protocol version that ask for something else than a session.
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What the first packet of a connection asks for.
pub(super) enum Opening {
    Session,
    Cancel,
    Encryption,
}

/// A message above this size is not one: the stream is out of step.
const LIMIT: usize = 1 << 30;

/// Reads a packet without a type byte; `None` at the end of the stream.
pub(super) fn read_packet(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    read(stream, 0)
}

/// Reads a message: a type byte, a length, the rest; `None` at the end of the stream.
pub(super) fn read_message(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    read(stream, 1)
}

/// Reads whatever has arrived; `None` at the end of the stream.
pub(super) fn read_chunk(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 16 * 1024];
    let length = stream.read(&mut buffer)?;
    buffer.truncate(length);
    Ok((length > 0).then_some(buffer))
}

/// `before` bytes, then a big-endian length that counts itself, then the rest.
fn read(stream: &mut impl Read, before: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; before + 4];
    match stream.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = number(&bytes[before..]) as usize;
    if !(4..=LIMIT).contains(&length) {
        return Err(io::Error::other("the stream does not speak PostgreSQL's protocol"));
    }
    let start = bytes.len();
    bytes.resize(before + length, 0);
    stream.read_exact(&mut bytes[start..])?;
    Ok(Some(bytes))
}

/// What a first packet asks for.
pub(super) fn opening(packet: &[u8]) -> Opening {
    match packet.get(4..8).map(number) {
        Some(CANCEL) => Opening::Cancel,
        Some(TLS | GSS) => Opening::Encryption,
        _ => Opening::Session,
    }
}

/// Describes a typed message of connection number `connection`.
pub(super) fn describe(connection: usize, bytes: &[u8]) -> Message {
    let body = bytes.get(5..).unwrap_or_default();
    let mut strings = body.split(|&byte| byte == 0);
    let (kind, text) = match bytes.first() {
        Some(b'Q') => (Kind::Query, strings.next()),
        // A name, then the text.
        Some(b'P') => (Kind::Parse, strings.nth(1)),
        other => (Kind::Other(other.copied().unwrap_or_default()), None),
    };
    let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    Message { connection, kind, text, query: 0 }
}

/// Whether the server answers this message of a client with ReadyForQuery at its end.
pub(super) fn is_answered(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'Q' | b'S' | b'F'))
}

/// Whether a message of the server is ReadyForQuery.
pub(super) fn is_ready(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'Z')
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |sum, &byte| (sum << 8) | u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_their_lengths() {
        let mut stream: &[u8] = b"Q\0\0\0\x0bCOMMIT\0X\0\0\0\x04";
        let query = read_message(&mut stream).unwrap().unwrap();
        let message = describe(1, &query);
        assert_eq!((message.kind, message.text.as_str()), (Kind::Query, "COMMIT"));
        assert_eq!(read_message(&mut stream).unwrap().unwrap(), b"X\0\0\0\x04");
        assert_eq!(read_message(&mut stream).unwrap(), None);
    }

    #[test]
    fn a_parse_message_gives_its_text_not_its_name() {
        let message = describe(1, b"P\0\0\0\x10s1\0SELECT 1\0\0\0");
        assert_eq!((message.kind, message.text.as_str()), (Kind::Parse, "SELECT 1"));
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        assert!(read_message(&mut &b"HTTP/1.1"[..]).is_err());
    }
}
