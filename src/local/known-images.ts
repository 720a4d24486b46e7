import { dirname, join } from 'node:path'
import { builtInImages, type ImageCatalog, imageCatalog, readImageFile } from './images/index.ts'

/**
 * What the user maps counts before what every mesh knows.
 *
 * @param distDir `dist/`, beside which the samples are
 * @throws MeshError for a file with a mistake
 */
export function knownImages(imageFile: string | undefined, distDir: string): ImageCatalog {
  const samplesDir = join(dirname(distDir), 'samples')
  const mapped = imageFile === undefined ? [] : readImageFile(imageFile)
  return imageCatalog([...mapped, ...builtInImages({ node: process.execPath, distDir, samplesDir })])
}
