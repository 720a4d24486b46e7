export { type BuiltInPlaces, builtInImages } from './built-in.ts'
export { type ImageCatalog, type ImageCommand, type ImageEntry, type ImageLookup, imageCatalog } from './catalog.ts'
export { parseImageFile, readImageFile } from './image-file.ts'
export { type ImageReference, parseImage } from './reference.ts'
