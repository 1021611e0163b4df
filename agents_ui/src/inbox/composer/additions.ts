/** Parts that the composer shows only sometimes, in one file that is loaded after the inbox. */
export { OtherDraft } from './OtherDraft'
export { PastedPicture } from './PastedPicture'
export { StopAsked } from './StopAsked'
export { UploadChips } from './UploadChips'
