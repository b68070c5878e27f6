from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st

from models.diffusion import Schedule, T, add_noise, ddim_step, fixed_noise, sample_ddim, time_steps


@given(st.integers(1, T))
def test_trailing_spacing_starts_at_pure_noise_and_ends_at_the_data(steps):
    times = time_steps(steps)
    assert times[0] == T
    assert times[-1] == 0
    assert len(times) == steps + 1
    assert all(later < earlier for earlier, later in pairwise(times))


def test_leading_spacing_starts_too_early():
    assert time_steps(4, "leading")[0] == 750


@pytest.mark.parametrize("steps", [0, -1, T + 1])
def test_impossible_numbers_of_steps_are_refused(steps):
    with pytest.raises(ValueError, match=r"1\.\.1000"):
        time_steps(steps)


def test_the_cosine_schedule_ends_without_signal_and_the_linear_one_does_not():
    assert Schedule("cosine").alpha_bar()[T] == 0.0
    assert 0 < Schedule("linear").alpha_bar()[T] < 0.05
    for kind in ("cosine", "linear"):
        values = Schedule(kind).alpha_bar()
        assert values[0] == 1.0
        assert np.all(np.diff(values) < 0)


@pytest.mark.parametrize("steps", [1, 2, 4, 50])
def test_a_perfect_prediction_is_reached_in_any_number_of_steps(steps):
    truth = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = fixed_noise(4, 8, 8).expand(2, -1, -1, -1)
    reached = sample_ddim(lambda z_t, t: truth, noise, steps, Schedule())
    assert torch.allclose(reached, truth, atol=1e-5)


def test_a_step_keeps_the_noise_that_the_prediction_implies():
    """Forward noising with the same epsilon is the independent reference of the DDIM step."""
    z_0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    epsilon = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    alpha_bar = Schedule().alpha_bar()
    for t, s in ((T, 600), (600, 100), (100, 0)):
        at_t, at_s = (
            add_noise(z_0, epsilon, torch.tensor(alpha_bar[time]).float().view(1, 1, 1, 1))
            for time in (t, s)
        )
        reached = ddim_step(at_t, z_0, float(alpha_bar[t]), float(alpha_bar[s]))
        assert torch.allclose(reached, at_s, atol=1e-4)


def test_many_ddim_steps_follow_the_probability_flow_of_a_gaussian():
    """For Gaussian data the exact map from noise to data is a scaling (Song et al., 2021)."""
    deviation, schedule = 0.5, Schedule()
    alpha_bar = schedule.alpha_bar()

    def posterior_mean(z_t, t):
        a = float(alpha_bar[round(t * T)])
        return z_t * a**0.5 * deviation**2 / (a * deviation**2 + 1 - a)

    noise = fixed_noise(4, 16, 16)
    reached = sample_ddim(posterior_mean, noise, 500, schedule)
    assert torch.allclose(reached, noise * deviation, atol=0.02)


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 50])
def test_sampling_agrees_with_an_independent_implementation(kind, steps):
    """The same noise and the same (nonlinear) prediction through the diffusers library's DDIM."""
    alpha_bar = Schedule(kind).alpha_bar()
    reference = DDIMScheduler(
        num_train_timesteps=T,
        trained_betas=(1 - alpha_bar[1:] / alpha_bar[:-1]).tolist(),
        clip_sample=False,
        prediction_type="sample",
        timestep_spacing="trailing",
    )
    reference.set_timesteps(steps)
    noise = fixed_noise(4, 8, 8)

    def predict(z_t, t):
        return torch.tanh(z_t * (0.5 + t)) * 0.3

    z = noise
    for index in reference.timesteps.tolist():  # its index 0 is our time 1
        z = reference.step(predict(z, (index + 1) / T), index, z).prev_sample
    reached = sample_ddim(predict, noise, steps, Schedule(kind))
    assert torch.allclose(reached, z, atol=1e-4)


def test_noise_depends_on_the_shape_and_the_sample_alone():
    assert torch.equal(fixed_noise(4, 8, 12), fixed_noise(4, 8, 12))
    assert not torch.equal(fixed_noise(4, 8, 12, 0), fixed_noise(4, 8, 12, 1))
