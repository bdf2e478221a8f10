//! Ciphers, the cheapest first.

use std::sync::Arc;

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, ring};

pub(crate) fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = suites(has_aes()).to_vec();
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

/// In the order in which we want them. With the processor's instructions AES-128-GCM costs the least, a third of
/// ChaCha20; without them it costs several times as much, and is not safe against timing for free. Nothing here needs
/// 256 bits. AES-128 always stands among them: QUIC's first packets are under it.
fn suites(aes: bool) -> [SupportedCipherSuite; 3] {
    let (aes_128, aes_256, chacha) = (
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    );
    if aes { [aes_128, aes_256, chacha] } else { [chacha, aes_128, aes_256] }
}

/// Whether the processor has instructions for AES-GCM.
pub(crate) fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let has = std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

#[cfg(test)]
mod tests {
    use rustls::CipherSuite::{
        TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
        TLS13_CHACHA20_POLY1305_SHA256 as CHACHA,
    };

    use super::*;

    #[test]
    fn the_cheapest_cipher_of_this_processor_comes_first() {
        let order = |aes| suites(aes).map(|suite| suite.suite());
        assert_eq!(order(true), [AES_128, AES_256, CHACHA]);
        assert_eq!(order(false), [CHACHA, AES_128, AES_256]);
    }
}
