//! A token, and the hash by which it is known.
//!
//! A token is 256 random bits. SHA-256 of it is all that is kept: a slow, salted hash is for what people think up,
//! whose guesses can be counted; 2^256 cannot be, however fast each guess is.

use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What every token begins with, so that one which leaked can be recognised.
const PREFIX: &str = "ida_";
const HASH: &str = "sha256:";

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

/// A new token.
///
/// # Errors
/// Where the system gives no randomness.
pub fn generate() -> Result<String, String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(format!("{PREFIX}{}", hex(&random)))
}

impl TokenHash {
    /// Of what somebody sent.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Its bytes, to be compared in constant time.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH}{}", hex(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text.strip_prefix(HASH).and_then(unhex);
        bytes.map(Self).ok_or_else(|| {
            de::Error::custom(
                "hash must be \"sha256:\" and 64 hexadecimal digits, as `id-alloc token new` prints it",
            )
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    // A sign would be read too.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = (0..text.len()).step_by(2).filter(|_| is_plain);
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = pairs.map(byte).collect::<Option<_>>()?;
    bytes.try_into().ok()
}
