import { Component, type ReactNode } from 'react'
import { Broken } from './Problem'

interface BoundaryProps {
  /** Wraps the error message, for example in a dialog. */
  frame?: (words: ReactNode) => ReactNode
  children: ReactNode
}

/** Replaces a part that failed to render by a message with a "Try again" button; the rest of the page stays. */
export class Boundary extends Component<BoundaryProps, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  override render(): ReactNode {
    const { frame = (words: ReactNode) => words, children } = this.props
    return this.state.broken ? frame(<Broken reset={() => this.setState({ broken: false })} />) : children
  }
}
