//! Keys that sign: PEM in the forms that vendors hand out, and shared secrets.
//!
//! Keys arrive through environment variables, so line breaks may have become `\n` or CRLF.

use std::fmt;

use headwater_contract::Secret;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::AuthError;
use super::encoding::KeyEncoding;
use super::jwt::Algorithm;

/// A key that signs.
pub(crate) enum SigningKey {
    Shared(ring::hmac::Key),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "a shared key",
            Self::Rsa(..) => "an RSA key",
            Self::Ecdsa(_) => "an ECDSA key",
            Self::Ed25519(_) => "an Ed25519 key",
        })
    }
}

impl SigningKey {
    /// Reads the key of setting `name`.
    pub(crate) fn read(
        algorithm: Algorithm,
        text: &Secret,
        encoding: KeyEncoding,
        name: &str,
    ) -> Result<Self, AuthError> {
        let bad = |reason: &str| AuthError::BadKey { name: name.to_owned(), reason: reason.to_owned() };
        let shared = |hash| {
            let key = encoding.decode(text.expose()).ok_or_else(|| bad("it is not in the encoding that is said"))?;
            Ok(Self::Shared(ring::hmac::Key::new(hash, &key)))
        };
        match algorithm {
            Algorithm::HS256 => shared(ring::hmac::HMAC_SHA256),
            Algorithm::HS384 => shared(ring::hmac::HMAC_SHA384),
            Algorithm::HS512 => shared(ring::hmac::HMAC_SHA512),
            Algorithm::RS256 => rsa(text, &RSA_PKCS1_SHA256, &bad),
            Algorithm::RS384 => rsa(text, &RSA_PKCS1_SHA384, &bad),
            Algorithm::RS512 => rsa(text, &RSA_PKCS1_SHA512, &bad),
            Algorithm::PS256 => rsa(text, &RSA_PSS_SHA256, &bad),
            Algorithm::PS384 => rsa(text, &RSA_PSS_SHA384, &bad),
            Algorithm::PS512 => rsa(text, &RSA_PSS_SHA512, &bad),
            Algorithm::ES256 => ecdsa(text, Curve::P256, &bad),
            Algorithm::ES384 => ecdsa(text, Curve::P384, &bad),
            Algorithm::EdDSA => match pem(text, &bad)? {
                PrivateKeyDer::Pkcs8(der) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
                    .map(|key| Self::Ed25519(Box::new(key)))
                    .map_err(|_| bad("it is no Ed25519 key")),
                _ => Err(bad("it is no Ed25519 key in PKCS#8")),
            },
        }
    }

    /// The signature of `bytes`.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, AuthError> {
        let random = SystemRandom::new();
        match self {
            Self::Shared(key) => Ok(ring::hmac::sign(key, bytes).as_ref().to_vec()),
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, bytes, &mut signature).map_err(|_| AuthError::NoRandomness)?;
                Ok(signature)
            }
            Self::Ecdsa(key) => {
                let signature = key.sign(&random, bytes).map_err(|_| AuthError::NoRandomness)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(bytes).as_ref().to_vec()),
        }
    }
}

type Bad<'a> = &'a dyn Fn(&str) -> AuthError;

fn pem(text: &Secret, bad: Bad<'_>) -> Result<PrivateKeyDer<'static>, AuthError> {
    let text = unescaped(text);
    if text.expose().contains("ENCRYPTED") {
        return Err(bad("it is locked by a passphrase: give it without one, e.g. as `openssl pkey` writes it"));
    }
    PrivateKeyDer::from_pem_slice(text.expose().as_bytes()).map_err(|_| bad("it is no private key in PEM"))
}

/// PEM with line breaks, where an environment variable made `\n` of them.
pub(super) fn unescaped(text: &Secret) -> Secret {
    if text.expose().contains('\n') { text.clone() } else { Secret::new(text.expose().replace("\\n", "\n")) }
}

fn rsa(text: &Secret, encoding: &'static dyn RsaEncoding, bad: Bad<'_>) -> Result<SigningKey, AuthError> {
    let key = match pem(text, bad)? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(bad("it is no RSA key")),
    };
    // The reason is one word such as `InvalidEncoding` and never part of the key.
    key.map(|key| SigningKey::Rsa(Box::new(key), encoding))
        .map_err(|error| bad(&format!("it is no RSA key of at least 2048 bits ({error})")))
}

#[derive(Clone, Copy)]
enum Curve {
    P256,
    P384,
}

fn ecdsa(text: &Secret, curve: Curve, bad: Bad<'_>) -> Result<SigningKey, AuthError> {
    let pkcs8 = match pem(text, bad)? {
        PrivateKeyDer::Pkcs8(der) => der.secret_pkcs8_der().to_vec(),
        PrivateKeyDer::Sec1(der) => wrapped(der.secret_sec1_der(), curve),
        _ => return Err(bad("it is no ECDSA key")),
    };
    let algorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
    };
    EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &SystemRandom::new())
        .map(|key| SigningKey::Ecdsa(Box::new(key)))
        .map_err(|error| bad(&format!("it is no ECDSA key of the algorithm's curve ({error})")))
}

/// `EC PRIVATE KEY` (RFC 5915) inside PKCS#8 (RFC 5958), the one form that `ring` reads.
fn wrapped(sec1: &[u8], curve: Curve) -> Vec<u8> {
    let curve: &[u8] = match curve {
        Curve::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        Curve::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
    };
    let algorithm = [&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], curve].concat();
    let content = [vec![0x02, 0x01, 0x00], der(0x30, &algorithm), der(0x04, sec1)].concat();
    der(0x30, &content)
}

/// One DER value with its tag and length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match length {
        [0, short] if short < 0x80 => vec![tag, short],
        [0, short] => vec![tag, 0x81, short],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), content].concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    const RSA: &str = include_str!("../../tests/engine/auth/keys/rsa_pkcs1.pem");
    const RSA_PKCS8: &str = include_str!("../../tests/engine/auth/keys/rsa_pkcs8.pem");
    const EC: &str = include_str!("../../tests/engine/auth/keys/ec_sec1.pem");
    const EC_PKCS8: &str = include_str!("../../tests/engine/auth/keys/ec_pkcs8.pem");

    fn read(algorithm: Algorithm, text: &str) -> Result<SigningKey, AuthError> {
        SigningKey::read(algorithm, &Secret::new(text), KeyEncoding::Text, "pem")
    }

    #[test]
    fn a_key_of_another_kind_is_refused_and_not_shown() {
        let locked = RSA_PKCS8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (algorithm, text) in [
            (Algorithm::RS256, EC),
            (Algorithm::ES256, RSA),
            (Algorithm::ES384, EC),
            (Algorithm::EdDSA, EC_PKCS8),
            (Algorithm::RS256, "s3cret and no PEM"),
            (Algorithm::RS256, locked.as_str()),
        ] {
            let error = read(algorithm, text).unwrap_err();
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("s3cret") && !printed.contains("MI"), "{algorithm:?}: {printed}");
        }
    }

    /// RFC 7515 A.1 and A.2: both signatures are always the same.
    #[test]
    fn signs_as_the_rfc() {
        let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let shared = SigningKey::read(Algorithm::HS256, &Secret::new(key), KeyEncoding::Base64, "key").unwrap();
        let signature = shared.sign(format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{payload}").as_bytes()).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(signature), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let in_a_variable = RSA.trim().replace('\n', "\\n");
        for text in [RSA, RSA_PKCS8, &RSA.replace('\n', "\r\n"), &in_a_variable] {
            let signature = read(Algorithm::RS256, text)
                .unwrap()
                .sign(format!("eyJhbGciOiJSUzI1NiJ9.{payload}").as_bytes())
                .unwrap();
            assert_eq!(
                URL_SAFE_NO_PAD.encode(signature),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dn\
                 ZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW\
                 EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            );
        }
    }

    #[test]
    fn signatures_with_chance_in_them_verify() {
        for text in [EC, EC_PKCS8] {
            let key = read(Algorithm::ES256, text).unwrap();
            let SigningKey::Ecdsa(pair) = &key else { panic!("{key:?}") };
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
            public.verify(b"message", &key.sign(b"message").unwrap()).unwrap();
        }
        let key = read(Algorithm::PS256, RSA).unwrap();
        let SigningKey::Rsa(pair, _) = &key else { panic!("{key:?}") };
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(b"message", &key.sign(b"message").unwrap()).unwrap();

        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let encoded = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
        let key = read(Algorithm::EdDSA, &format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----"))
            .unwrap();
        let SigningKey::Ed25519(pair) = &key else { panic!("{key:?}") };
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        public.verify(b"message", &key.sign(b"message").unwrap()).unwrap();
    }
}
