"""What every host of a real model needs: sampling, snapshots, attention, precision."""
