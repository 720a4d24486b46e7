/** The version of package.json; a test holds the two together. */
export const AMBIT_VERSION = '0.1.0'
