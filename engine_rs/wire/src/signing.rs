//! Ed25519 signatures over the bytes of messages, alike for whoever signs and whoever checks.

use std::fmt::Write;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Bytes of a secret key, and of a public one.
pub const KEY_BYTES: usize = 32;

/// Bytes of the hash of a public key that name it.
const KEY_ID_BYTES: usize = 8;

/// The public half of a secret key.
#[must_use]
pub fn public_key(secret: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// The name of a key: the beginning of the SHA-256 of its public half, in hexadecimal digits.
#[must_use]
pub fn key_id(public: &[u8]) -> String {
    Sha256::digest(public).iter().take(KEY_ID_BYTES).fold(String::new(), |mut id, byte| {
        // Writing to a string can't fail.
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}

/// Signs the bytes of a message.
#[must_use]
pub fn sign(secret: &[u8; KEY_BYTES], message: &str, payload: &[u8]) -> Vec<u8> {
    SigningKey::from_bytes(secret).sign(&signed_bytes(message, payload)).to_bytes().to_vec()
}

/// Whether a signature over the bytes of a message is that of a key. Weak keys and other forms of a good
/// signature are refused.
#[must_use]
pub fn verify(public: &[u8], message: &str, payload: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = <&[u8; KEY_BYTES]>::try_from(public).map(VerifyingKey::from_bytes) else {
        return false;
    };
    match (key, Signature::from_slice(signature)) {
        (Ok(key), Ok(signature)) => key.verify_strict(&signed_bytes(message, payload), &signature).is_ok(),
        _ => false,
    }
}

/// What is signed names its message, so that the bytes of one are never taken for another.
fn signed_bytes(message: &str, payload: &[u8]) -> Vec<u8> {
    [b"dealwright ", message.as_bytes(), &[0], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; KEY_BYTES] = [7; KEY_BYTES];

    #[test]
    fn what_was_signed_is_accepted_and_nothing_else() {
        let public = public_key(&SECRET);
        let signature = sign(&SECRET, "Manifest", b"payload");
        assert!(verify(&public, "Manifest", b"payload", &signature));
        assert!(!verify(&public, "Control", b"payload", &signature));
        assert!(!verify(&public, "Manifest", b"payloaD", &signature));
        assert!(!verify(&public_key(&[8; KEY_BYTES]), "Manifest", b"payload", &signature));
        for index in 0..signature.len() {
            let mut changed = signature.clone();
            if let Some(byte) = changed.get_mut(index) {
                *byte ^= 1;
            }
            assert!(!verify(&public, "Manifest", b"payload", &changed), "byte {index}");
        }
    }

    #[test]
    fn bytes_of_another_length_are_no_key_and_no_signature() {
        let public = public_key(&SECRET);
        let signature = sign(&SECRET, "Manifest", b"");
        assert!(!verify(&public, "Manifest", b"", signature.get(..63).unwrap_or_default()));
        assert!(!verify(public.get(..31).unwrap_or_default(), "Manifest", b"", &signature));
        assert!(!verify(&[0; KEY_BYTES], "Manifest", b"", &signature));
    }

    #[test]
    fn a_key_is_named_by_its_public_half() {
        assert_eq!(key_id(&public_key(&SECRET)).len(), 16);
        assert_ne!(key_id(&public_key(&SECRET)), key_id(&public_key(&[8; KEY_BYTES])));
    }
}
