//! Bytes as text, and random text: what keys, signatures and nonces are written in.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use schemars::JsonSchema;
use serde::Deserialize;

use super::AuthError;

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    #[default]
    Hex,
    /// Upper-case hexadecimal digits.
    HexUpper,
    /// Base64 with `+`, `/` and padding.
    Base64,
    /// Base64 with `-`, `_` and no padding.
    Base64Url,
}

impl Encoding {
    /// The text of `bytes`.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::HexUpper => hex(bytes).to_ascii_uppercase(),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

/// How a key stands in its setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyEncoding {
    /// The key is the text itself.
    #[default]
    Text,
    /// The text is base64 of the key, of either alphabet.
    Base64,
    /// The text is hexadecimal digits of the key.
    Hex,
}

impl KeyEncoding {
    /// The key's bytes; `None` when the text is not in this encoding.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        let text = if self == Self::Text { text } else { text.trim() };
        match self {
            Self::Text => Some(text.as_bytes().to_vec()),
            Self::Base64 => {
                STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
            }
            Self::Hex => {
                let digits = text.as_bytes();
                let pairs = digits.chunks_exact(2);
                if !pairs.remainder().is_empty() {
                    return None;
                }
                pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
            }
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AuthError::NoRandomness)?;
    Ok(bytes)
}

/// Random text that no other request had: 32 hexadecimal digits.
pub(crate) fn nonce() -> Result<String, AuthError> {
    Ok(hex(&random::<16>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_in_its_encoding_is_refused() {
        for text in ["abc", "zz", "é"] {
            assert_eq!(KeyEncoding::Hex.decode(text), None, "{text}");
        }
        assert_eq!(KeyEncoding::Base64.decode("***"), None);
    }

    #[test]
    fn bytes_read_back_as_they_were_written() {
        let bytes = [0, 1, 0xfb, 0xff];
        assert_eq!(KeyEncoding::Hex.decode(&Encoding::HexUpper.encode(&bytes)).unwrap(), bytes);
        for encoding in [Encoding::Base64, Encoding::Base64Url] {
            assert_eq!(KeyEncoding::Base64.decode(&encoding.encode(&bytes)).unwrap(), bytes);
        }
        for text in ["AAH7/w==", "AAH7_w==", "AAH7_w", " AAH7/w==\n"] {
            assert_eq!(KeyEncoding::Base64.decode(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(KeyEncoding::Text.decode(" a ").unwrap(), b" a ");
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }
}
