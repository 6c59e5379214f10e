//! Certificates and keys.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// The certificate or key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file holds no certificate in PEM form.
    #[error("there is no certificate in PEM form in the file")]
    NoCertificate,
    /// The file does not hold a certificate in PEM form.
    #[error("the certificate is not valid PEM: {0}")]
    InvalidCertificate(rustls_pki_types::pem::Error),
    /// The file does not hold a private key in PEM form.
    #[error("the private key is not valid PEM: {0}")]
    InvalidKey(rustls_pki_types::pem::Error),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("the certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A server's TLS from the contents of a certificate chain's and a key's PEM files. Speaks TLS 1.2
/// and 1.3, and HTTP/2 and HTTP/1.1 inside.
///
/// # Errors
/// [`TlsError`] when they are of no use.
pub fn configuration(certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(TlsError::InvalidCertificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::InvalidKey)?;
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
